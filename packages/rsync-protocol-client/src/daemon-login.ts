import {
  AUTH_DIGESTS,
  authResponse,
  chooseAuthDigest,
  EXIT,
  formatGreeting,
  negotiateProtocol,
  parseDaemonLine,
  parseGreeting,
  RsyncError,
  type RsyncErrorCode,
  type Wire,
} from "@dialhome/rsync-protocol";
import type { PullMessage } from "./pull-options.ts";

/** Lines of text that a daemon may send before the transfer begins. */
const MAX_LINES = 10_000;

export interface DaemonLogin {
  readonly module: string;
  readonly user: string;
  readonly password: (() => Promise<string> | string) | undefined;
  /** Highest protocol to use. */
  readonly protocol: number;
  readonly onMessage: ((message: PullMessage) => void) | undefined;
}

/**
 * The text part of a session with a daemon, up to its `OK`: greeting, module, password.
 * @returns the protocol that both use
 * @throws RsyncError `ERR_RSYNC_REFUSED` with what the daemon said
 */
export async function logIn(wire: Wire, login: DaemonLogin): Promise<number> {
  try {
    return await talkToDaemon(wire, login);
  } catch (error) {
    throw asStartFailure(error);
  }
}

/** What goes wrong before a daemon's OK is a session that did not start: rsync(1) leaves with 5 for whatever it is. */
function asStartFailure(error: unknown): unknown {
  if (!(error instanceof RsyncError) || !NOT_STARTED.has(error.code)) return error;
  return new RsyncError(error.code, error.message, { exitCode: EXIT.START_CLIENT, cause: error });
}

const NOT_STARTED: ReadonlySet<RsyncErrorCode> = new Set([
  "ERR_RSYNC_PROTOCOL",
  "ERR_RSYNC_INCOMPATIBLE",
  "ERR_RSYNC_LIMIT",
  "ERR_RSYNC_CONNECTION_LOST",
]);

async function talkToDaemon(wire: Wire, login: DaemonLogin): Promise<number> {
  const say = (line: string): void => {
    wire.out.latin1(`${line}\n`);
    wire.flush();
  };
  say(formatGreeting({ protocol: login.protocol, subProtocol: 0, digests: AUTH_DIGESTS }));
  const greeting = parseGreeting(await readLine(wire));
  const protocol = negotiateProtocol(login.protocol, greeting);
  say(login.module);
  let asked = false;
  for (let lines = 0; lines < MAX_LINES; lines++) {
    const line = parseDaemonLine(await readLine(wire));
    switch (line.is) {
      case "ok":
        return protocol;
      case "exit":
        throw new RsyncError(
          "ERR_RSYNC_REFUSED",
          "the daemon ended the session before the transfer",
        );
      case "error":
        throw new RsyncError("ERR_RSYNC_REFUSED", `the daemon refused: ${printable(line.text)}`);
      case "auth": {
        if (asked) {
          // Each answer is something to guess the password by, and to a challenge of the daemon's choice.
          throw new RsyncError("ERR_RSYNC_REFUSED", "the daemon asks for the password once more");
        }
        asked = true;
        const digest = chooseAuthDigest(greeting.digests, AUTH_DIGESTS, protocol);
        if (!digest) {
          throw new RsyncError(
            "ERR_RSYNC_REFUSED",
            "no authentication digest in common with the daemon",
            { exitCode: EXIT.UNSUPPORTED },
          );
        }
        if (!login.password) {
          throw new RsyncError(
            "ERR_RSYNC_REFUSED",
            `module "${login.module}" asks for a password of user "${login.user}", and none was given`,
          );
        }
        const password = await login.password();
        say(`${login.user} ${await authResponse(password, line.challenge, digest)}`);
        break;
      }
      case "text":
        login.onMessage?.({ level: "info", text: line.text, fromPeer: true });
        break;
      default:
        throw new Error(`no such line: ${String(line satisfies never)}`);
    }
  }
  throw new RsyncError("ERR_RSYNC_LIMIT", `more than ${MAX_LINES} lines before the transfer`);
}

/** The modules that a daemon lists, one line each, and its message of the day. */
export async function listModules(
  wire: Wire,
  protocol: number,
  onLine: (line: string) => void,
): Promise<void> {
  try {
    await hearModules(wire, protocol, onLine);
  } catch (error) {
    throw asStartFailure(error);
  }
}

async function hearModules(
  wire: Wire,
  protocol: number,
  onLine: (line: string) => void,
): Promise<void> {
  wire.out.latin1(`${formatGreeting({ protocol, subProtocol: 0, digests: AUTH_DIGESTS })}\n`);
  wire.flush();
  negotiateProtocol(protocol, parseGreeting(await readLine(wire)));
  wire.out.latin1("\n");
  wire.flush();
  for (let lines = 0; lines < MAX_LINES; lines++) {
    const line = parseDaemonLine(await readLine(wire));
    if (line.is === "exit") return;
    if (line.is === "error") {
      throw new RsyncError("ERR_RSYNC_REFUSED", `the daemon refused: ${printable(line.text)}`);
    }
    if (line.is === "text") onLine(line.text);
  }
  throw new RsyncError("ERR_RSYNC_LIMIT", `more than ${MAX_LINES} lines in the list of modules`);
}

async function readLine(wire: Wire): Promise<string> {
  // An attempt cannot tell an empty line from "not yet", so the line travels in an object.
  const { line } = await wire.read((reader) => ({ line: reader.line() }));
  return line;
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 300);
}
