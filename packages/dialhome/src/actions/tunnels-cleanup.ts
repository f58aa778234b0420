import {
  type ClosingLoginSession,
  endLoginSession,
  findClosingLoginSessions,
  findTunnelSessions,
  type TunnelSession,
  type TunnelVerdict,
} from "@dialhome/ssh-reverse";
import { EXIT_CODE } from "../exit-codes.ts";
import { codeOf, describeFailure } from "../failure.ts";
import type { CommandIo } from "../io.ts";
import { writeJsonLine } from "../terminal/json-lines.ts";
import { printable } from "../terminal/printable.ts";
import { formatTable } from "../terminal/table.ts";

/** The options of `dialhome tunnels-cleanup`. */
export interface TunnelsCleanupFlags {
  readonly kill?: boolean;
  readonly sessions?: boolean;
  /** ms */
  readonly minAge?: number;
  readonly json?: boolean;
}

/** What the run came to so far. */
interface Outcome {
  /** Dead, and left as they are. */
  left: number;
  /** Not to be seen, or not to be ended. */
  failed: number;
}

const WORDS: Readonly<Record<TunnelVerdict, string>> = {
  alive: "alive",
  "no-listener": "dead: no listener",
  silent: "dead: no SSH greeting",
  new: "too young to be judged",
  unseen: "not to be seen",
};

/** `dialhome tunnels-cleanup` */
export async function runTunnelsCleanup(
  prefix: string,
  flags: TunnelsCleanupFlags,
  io: CommandIo,
): Promise<number> {
  const outcome: Outcome = { left: 0, failed: 0 };
  const sessions = await findTunnelSessions({
    prefix,
    signal: io.signal,
    ...(flags.minAge === undefined ? {} : { minAgeMs: flags.minAge }),
  });
  if (flags.kill) await endDead(sessions, flags, io, outcome);
  else listAll(sessions, flags, io, outcome);
  tellUnseen(sessions, io, outcome);
  if (flags.sessions) await cleanLoginSessions(prefix, flags, io, outcome);
  if (outcome.failed > 0) return EXIT_CODE.failed;
  return outcome.left > 0 ? EXIT_CODE.different : EXIT_CODE.done;
}

function isDead({ verdict }: TunnelSession): boolean {
  return verdict === "no-listener" || verdict === "silent";
}

function listAll(
  sessions: readonly TunnelSession[],
  flags: TunnelsCleanupFlags,
  io: CommandIo,
  outcome: Outcome,
): void {
  outcome.left += sessions.filter(isDead).length;
  if (flags.json) {
    for (const session of sessions) writeJsonLine(io.stdout, recordOf(session));
    return;
  }
  if (sessions.length === 0) return;
  const rows = sessions.map(({ user, pid, ageMs, listeners, verdict }) => [
    printable(user),
    String(pid),
    `${Math.floor(ageMs / 1000)}`,
    printable(listeners.join(" ")),
    WORDS[verdict],
  ]);
  const head = ["user", "pid", "age s", "listens on", "state"];
  for (const line of formatTable([head, ...rows], [1, 2])) io.stdout.write(`${line}\n`);
}

/** Says nothing where nothing is dead: it is made for cron. */
async function endDead(
  sessions: readonly TunnelSession[],
  flags: TunnelsCleanupFlags,
  io: CommandIo,
  outcome: Outcome,
): Promise<void> {
  await Promise.all(
    sessions.filter(isDead).map(async (session) => {
      const isEnded = await session.end();
      if (!isEnded) outcome.failed++;
      if (flags.json) {
        writeJsonLine(io.stdout, { ...recordOf(session), ended: isEnded });
        return;
      }
      const what = `${printable(session.user)}, process ${session.pid} (${WORDS[session.verdict]})`;
      if (isEnded) io.stdout.write(`ended: ${what}\n`);
      else io.stderr.write(`dialhome: it cannot be ended: ${what}\n`);
    }),
  );
}

function tellUnseen(sessions: readonly TunnelSession[], io: CommandIo, outcome: Outcome): void {
  const unseen = sessions.filter(({ verdict }) => verdict === "unseen").length;
  if (unseen === 0) return;
  outcome.failed += unseen;
  io.stderr.write(
    `dialhome: the sockets of ${unseen} of ${sessions.length} logins cannot be seen: that takes root, and the same network namespace\n`,
  );
}

async function cleanLoginSessions(
  prefix: string,
  flags: TunnelsCleanupFlags,
  io: CommandIo,
  outcome: Outcome,
): Promise<void> {
  const tell = (error: unknown): void => {
    if (codeOf(error) !== "ERR_SSH_REVERSE_LOGIND") throw error;
    io.stderr.write(`dialhome: ${describeFailure(error)}\n`);
  };
  let sessions: readonly ClosingLoginSession[] = [];
  try {
    sessions = await findClosingLoginSessions(prefix);
  } catch (error) {
    tell(error); // and no failure: where there is no logind there is nothing to clean up
  }
  for (const session of sessions) {
    let isEnded = false;
    try {
      if (flags.kill) {
        await endLoginSession(session);
        isEnded = true;
      } else {
        outcome.left++;
      }
    } catch (error) {
      outcome.failed++;
      tell(error);
    }
    const { id, user } = session;
    if (flags.json) writeJsonLine(io.stdout, { session: id, user, ended: isEnded });
    else if (isEnded) io.stdout.write(`ended: session ${id} of ${printable(user)}\n`);
    else if (!flags.kill) io.stdout.write(`closing: session ${id} of ${printable(user)}\n`);
  }
}

function recordOf(session: TunnelSession): Readonly<Record<string, unknown>> {
  const { user, pid, ageMs, listeners, verdict } = session;
  return { user, pid, ageSeconds: Math.floor(ageMs / 1000), listeners, verdict };
}
