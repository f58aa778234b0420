import { setMaxListeners } from "node:events";
import process from "node:process";
import { SshReverseError } from "../errors.ts";
import { CLEANUP } from "./constants.ts";
import { endProcess, isGoneWithin, type SendSignal } from "./end-process.ts";
import { answersAsSsh } from "./greeting-probe.ts";
import {
  formatListeningSocket,
  type ListeningSocket,
  readListeningSockets,
} from "./listening-sockets.ts";
import { ProcessTable } from "./process-table.ts";
import { findSshdSessions, type SshdSession } from "./sshd-sessions.ts";

/**
 * What became of a tunnel through OpenSSH's sshd:
 * `alive`: an SSH server answers behind one of its listeners;
 * `no-listener`: dead, it holds no listening socket;
 * `silent`: dead, no listener of it gives an SSH greeting;
 * `new`: too young to be judged;
 * `unseen`: its sockets may not be seen (not root), or lie in another network namespace.
 */
export type TunnelVerdict = "alive" | "no-listener" | "silent" | "new" | "unseen";

/** One login of a tunnel's user at OpenSSH's sshd. */
export interface TunnelSession {
  readonly user: string;
  /** The sshd process that runs as the user. */
  readonly pid: number;
  /** Time since it started, ms. */
  readonly ageMs: number;
  /** Its listening sockets: `127.0.0.1:2222`, `[::1]:2222`, or the path of a unix socket. */
  readonly listeners: readonly string[];
  readonly verdict: TunnelVerdict;
  /**
   * Ends both of its processes, with SIGTERM and then SIGKILL; the one of root only where it does not follow the other by
   * itself. Resolves with whether both are gone; never rejects.
   */
  end(): Promise<boolean>;
}

/** Which tunnels are looked at, and how long. */
export interface TunnelSessionOptions {
  /** How the names of the tunnels' users begin. @defaultValue "tun-" */
  readonly prefix?: string;
  /** A session younger than this is not judged, ms. @defaultValue 10_000 */
  readonly minAgeMs?: number;
  /** Time for an SSH greeting, ms. @defaultValue 5_000 */
  readonly probeTimeoutMs?: number;
  /** Time from SIGTERM to SIGKILL, ms. @defaultValue 5_000 */
  readonly termTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** The system, as the tests have another one. */
export interface CleanupSystem {
  readonly proc: string;
  readonly passwd: string;
  /** The process that looks; its ancestors are not touched. */
  readonly ownPid: number;
  readonly send: SendSignal;
}

const SYSTEM: CleanupSystem = {
  proc: "/proc",
  passwd: "/etc/passwd",
  ownPid: process.pid,
  send: (pid, signal) => process.kill(pid, signal),
};

interface Looked {
  readonly session: SshdSession;
  readonly listeners: readonly ListeningSocket[] | undefined;
}

/**
 * Finds the logins of tunnels' users at OpenSSH's sshd, and says which are dead. All listeners are asked for an SSH greeting at
 * the same time. Nothing is ended. The sessions above this process itself are left out.
 *
 * @throws SshReverseError `ERR_SSH_REVERSE_OPTION`, `ERR_SSH_REVERSE_PROC` where there is no /proc
 */
export async function findTunnelSessions(
  options: TunnelSessionOptions = {},
  system: CleanupSystem = SYSTEM,
): Promise<TunnelSession[]> {
  const prefix = options.prefix ?? CLEANUP.prefix;
  if (!/^[\w.-]+$/.test(prefix)) {
    const message = `"${prefix}" is not how a user's name begins`;
    throw new SshReverseError("ERR_SSH_REVERSE_OPTION", message);
  }
  const probeTimeoutMs = options.probeTimeoutMs ?? CLEANUP.probeTimeoutMs;
  const times = {
    termTimeoutMs: options.termTimeoutMs ?? CLEANUP.termTimeoutMs,
    killTimeoutMs: CLEANUP.killTimeoutMs,
  };
  const table = new ProcessTable(system.proc);
  const looked = look(table, prefix, system);
  const answers = await probeAll(
    looked.map(({ listeners }) => listeners ?? []),
    probeTimeoutMs,
    options.signal,
  );
  options.signal?.throwIfAborted();
  // The kernel's table may lack a socket when others come and go while it is read: only who is seen twice without one has none.
  const again = looked.some(({ listeners }) => listeners?.length === 0)
    ? readListeningSockets(system.proc)
    : new Map<string, ListeningSocket>();
  const now = nowTicks(table, system.ownPid);
  return looked.map(({ session, listeners }, at) => {
    const ageMs = Math.max(0, ((now - session.child.startTicks) / CLEANUP.ticksPerSecond) * 1000);
    const verdict = (): TunnelVerdict => {
      if (listeners === undefined) return "unseen";
      if (answers[at] === true) return "alive";
      if (ageMs < (options.minAgeMs ?? CLEANUP.minAgeMs)) return "new";
      if (listeners.length > 0) return "silent";
      const held = listenersOf(table, session.child.pid, again);
      if (held === undefined) return "unseen";
      return held.length === 0 ? "no-listener" : "new";
    };
    return {
      user: session.user,
      pid: session.child.pid,
      ageMs,
      listeners: (listeners ?? []).map(formatListeningSocket),
      verdict: verdict(),
      end: async () => {
        const isChildGone = await endProcess(table, session.child, times, system.send);
        // A monitor that lives says goodbye to PAM and logind; one that hangs there is ended too.
        if (await isGoneWithin(table, session.monitor, times.termTimeoutMs)) return isChildGone;
        return isChildGone && endProcess(table, session.monitor, times, system.send);
      },
    };
  });
}

function look(table: ProcessTable, prefix: string, system: CleanupSystem): Looked[] {
  try {
    const above = ancestors(table, system.ownPid);
    const sessions = findSshdSessions(table, prefix, system.passwd).filter(
      ({ child }) => !above.has(child.pid),
    );
    if (sessions.length === 0) return [];
    const sockets = readListeningSockets(system.proc);
    const network = table.network(system.ownPid);
    return sessions.map((session) => {
      const { pid } = session.child;
      const isHere = table.network(pid) === network;
      return { session, listeners: isHere ? listenersOf(table, pid, sockets) : undefined };
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SshReverseError("ERR_SSH_REVERSE_PROC", `${system.proc} cannot be read: ${reason}`, {
      cause: error,
    });
  }
}

/** Where sshd itself listens for a forwarded agent (`ssh -A`): no forwarding, and nothing that greets. */
const AGENT_SOCKET = /\/agent\.\d+$/;

function listenersOf(
  table: ProcessTable,
  pid: number,
  sockets: ReadonlyMap<string, ListeningSocket>,
): ListeningSocket[] | undefined {
  const inodes = table.sockets(pid);
  if (inodes === undefined) return undefined;
  return [...inodes]
    .map((inode) => sockets.get(inode))
    .filter((socket) => socket !== undefined)
    .filter((socket) => !("path" in socket && AGENT_SOCKET.test(socket.path)));
}

/** For each list whether one of its sockets answers. */
async function probeAll(
  lists: readonly (readonly ListeningSocket[])[],
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<boolean[]> {
  // All probes listen to one signal of ours, and it alone to the caller's.
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const onStop = (): void => stop.abort();
  if (signal?.aborted) onStop();
  signal?.addEventListener("abort", onStop, { once: true });
  const options = { timeoutMs, signal: stop.signal };
  const answers = lists.map(() => false);
  const waiting = lists
    .flatMap((sockets, at) => sockets.map((socket) => ({ socket, at })))
    .values();
  const worker = async (): Promise<void> => {
    for (const { socket, at } of waiting) {
      if (answers[at] !== true && (await answersAsSsh(socket, options))) answers[at] = true;
    }
  };
  try {
    await Promise.all(Array.from({ length: CLEANUP.probesAtOnce }, worker));
  } finally {
    signal?.removeEventListener("abort", onStop);
  }
  return answers;
}

function ancestors(table: ProcessTable, ownPid: number): Set<number> {
  const pids = new Set<number>();
  for (let pid = ownPid; pid > 1 && !pids.has(pid); pid = table.stat(pid)?.parentPid ?? 0) {
    pids.add(pid);
  }
  return pids;
}

/** Now, in the clock of the start times. Our own start is known in both clocks, whatever a container makes of /proc/uptime. */
function nowTicks(table: ProcessTable, ownPid: number): number {
  return (table.stat(ownPid)?.startTicks ?? 0) + process.uptime() * CLEANUP.ticksPerSecond;
}
