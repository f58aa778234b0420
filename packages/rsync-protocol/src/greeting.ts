import { PROTOCOL } from "./constants.ts";
import { RsyncError } from "./errors.ts";

/** First line of both sides of a daemon session: `@RSYNCD: 32.0 sha512 sha256 …`. */
export interface Greeting {
  /** Protocol number of the side that speaks. */
  readonly protocol: number;
  /** 0 for released protocols; undefined if the peer named none. */
  readonly subProtocol: number | undefined;
  /** Authentication digests, in the speaker's order; undefined if it named none. */
  readonly digests: readonly string[] | undefined;
}

/** What a daemon says in text before the binary part. */
export type DaemonLine =
  | { readonly is: "ok" }
  | { readonly is: "exit" }
  | { readonly is: "auth"; readonly challenge: string }
  /** Final; `text` is what follows `@ERROR: `. */
  | { readonly is: "error"; readonly text: string }
  /** Message of the day, or a line of the module list. */
  | { readonly is: "text"; readonly text: string };

const PREFIX = "@RSYNCD: ";
const ERROR_PREFIX = "@ERROR";
/** Highest protocol number that is believed (rsync.h MAX_PROTOCOL_VERSION). */
const HIGHEST_PROTOCOL = 40;
/** Digest names read from a greeting; real ones have five. */
const DIGEST_NAMES = 64;

/** The greeting without its line end. */
export function formatGreeting(greeting: Greeting): string {
  const sub = greeting.subProtocol === undefined ? "" : `.${greeting.subProtocol}`;
  const digests = greeting.digests === undefined ? "" : ` ${greeting.digests.join(" ")}`;
  return `${PREFIX}${greeting.protocol}${sub}${digests}`;
}

/**
 * Reads a greeting.
 *
 * @param line - without its line end
 * @throws RsyncError `ERR_RSYNC_INCOMPATIBLE` when it is none, or lacks what its protocol number requires
 */
export function parseGreeting(line: string): Greeting {
  const match = /^@RSYNCD: (\d{1,4})(?:\.(\d{1,4}))?(?: (.*))?$/.exec(line.trimEnd());
  if (match === null)
    throw incompatible("the peer did not greet as an rsync daemon or client does");
  const protocol = Number(match[1]);
  const subProtocol = match[2] === undefined ? undefined : Number(match[2]);
  const digests = match[3]
    ?.split(" ")
    .filter((name) => name !== "")
    .slice(0, DIGEST_NAMES);
  if (protocol > HIGHEST_PROTOCOL) {
    throw incompatible(`protocol ${protocol} of the peer is above ${HIGHEST_PROTOCOL}`);
  }
  if (protocol >= 30 && subProtocol === undefined) {
    throw incompatible(`the peer's greeting lacks the sub-protocol of protocol ${protocol}`);
  }
  if (protocol >= 32 && digests === undefined) {
    throw incompatible(`the peer's greeting lacks the digest list of protocol ${protocol}`);
  }
  return { protocol, subProtocol, digests };
}

/**
 * The protocol both sides use: the lower number.
 *
 * @param ours - highest protocol to use here
 * @throws RsyncError `ERR_RSYNC_INCOMPATIBLE` when that is below 30
 */
export function negotiateProtocol(ours: number, theirs: Greeting): number {
  // A pre-release of our own protocol is spoken as the one before it.
  const mine = theirs.protocol === ours && (theirs.subProtocol ?? 0) !== 0 ? ours - 1 : ours;
  return agreeProtocol(mine, theirs.protocol);
}

/** As {@link negotiateProtocol}, for the bare numbers of a session over a remote shell. */
export function agreeProtocol(ours: number, theirs: number): number {
  const protocol = Math.min(ours, theirs);
  if (protocol >= PROTOCOL.MIN && theirs <= HIGHEST_PROTOCOL) return protocol;
  throw incompatible(
    `protocol ${theirs} of the peer is not supported, only ${PROTOCOL.MIN} to ${PROTOCOL.MAX}`,
  );
}

/** One of a daemon's lines, without its line end. */
export function formatDaemonLine(line: DaemonLine): string {
  switch (line.is) {
    case "ok":
      return `${PREFIX}OK`;
    case "exit":
      return `${PREFIX}EXIT`;
    case "auth":
      return `${PREFIX}AUTHREQD ${line.challenge}`;
    case "error":
      return `${ERROR_PREFIX}: ${line.text}`;
    case "text":
      return line.text;
    default:
      throw new Error(`no such line: ${String(line satisfies never)}`);
  }
}

/** Reads a line that a daemon sent after its greeting. Whatever is nothing else is text to show. */
export function parseDaemonLine(line: string): DaemonLine {
  if (line === `${PREFIX}OK`) return { is: "ok" };
  if (line === `${PREFIX}EXIT`) return { is: "exit" };
  const auth = `${PREFIX}AUTHREQD `;
  if (line.startsWith(auth)) return { is: "auth", challenge: line.slice(auth.length) };
  if (line.startsWith(ERROR_PREFIX)) {
    return { is: "error", text: line.slice(ERROR_PREFIX.length).replace(/^:? */, "") };
  }
  return { is: "text", text: line };
}

function incompatible(message: string): RsyncError {
  return new RsyncError("ERR_RSYNC_INCOMPATIBLE", message);
}
