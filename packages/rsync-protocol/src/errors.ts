import { EXIT } from "./exit-codes.ts";

/** What went wrong in a session, as a stable word. */
export type RsyncErrorCode =
  /** The peer sent bytes that the protocol does not allow. */
  | "ERR_RSYNC_PROTOCOL"
  /** The peers have no protocol version, checksum or compression in common. */
  | "ERR_RSYNC_INCOMPATIBLE"
  /** An option or a feature that is not offered here. */
  | "ERR_RSYNC_UNSUPPORTED"
  /** The peer named a path that leads outside of the transfer. */
  | "ERR_RSYNC_UNSAFE_PATH"
  /** The daemon refused before the transfer began (`@ERROR`, authentication, unknown module). */
  | "ERR_RSYNC_REFUSED"
  /** The stream ended before the session did. */
  | "ERR_RSYNC_CONNECTION_LOST"
  /** Nothing was heard for longer than the timeout allows. */
  | "ERR_RSYNC_TIMEOUT"
  /** A number, a name or a list is larger than the stated limit. */
  | "ERR_RSYNC_LIMIT"
  /** The peer ended the session with an exit code of its own. */
  | "ERR_RSYNC_PEER_EXIT"
  /** A local file operation failed. */
  | "ERR_RSYNC_FILE"
  /** The caller's signal ended the session. */
  | "ERR_RSYNC_ABORTED"
  /** An option of the caller makes no sense, or does not go with another. */
  | "ERR_RSYNC_OPTION";

/** Facts that go with an {@link RsyncError}. */
export interface RsyncErrorDetails {
  /** rsync(1)'s exit code for this failure. @defaultValue by code */
  readonly exitCode?: number;
  /** The path concerned, as raw bytes read as latin1. */
  readonly path?: string;
  /** What lies underneath. */
  readonly cause?: unknown;
}

const EXIT_BY_CODE: Readonly<Record<RsyncErrorCode, number>> = {
  ERR_RSYNC_PROTOCOL: EXIT.STREAM,
  ERR_RSYNC_INCOMPATIBLE: EXIT.PROTOCOL,
  ERR_RSYNC_UNSUPPORTED: EXIT.UNSUPPORTED,
  ERR_RSYNC_UNSAFE_PATH: EXIT.UNSUPPORTED,
  ERR_RSYNC_REFUSED: EXIT.START_CLIENT,
  ERR_RSYNC_CONNECTION_LOST: EXIT.STREAM,
  ERR_RSYNC_TIMEOUT: EXIT.TIMEOUT,
  ERR_RSYNC_LIMIT: EXIT.PROTOCOL,
  ERR_RSYNC_PEER_EXIT: EXIT.PARTIAL,
  ERR_RSYNC_FILE: EXIT.FILE_IO,
  ERR_RSYNC_ABORTED: EXIT.SIGNAL,
  ERR_RSYNC_OPTION: EXIT.SYNTAX,
};

/** The one error class of the rsync packages. `exitCode` is what rsync(1) would have exited with. */
export class RsyncError extends Error {
  readonly code: RsyncErrorCode;
  readonly exitCode: number;
  readonly path: string | undefined;

  constructor(code: RsyncErrorCode, message: string, details: RsyncErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "RsyncError";
    this.code = code;
    this.exitCode = details.exitCode ?? EXIT_BY_CODE[code];
    this.path = details.path;
  }
}

/**
 * A violation of the protocol by the peer.
 * @param exitCode - 12 where the stream itself makes no sense; 2 where what it says may not be (protocol reference, "refuse it too")
 */
export function protocolError(message: string, exitCode: number = EXIT.STREAM): RsyncError {
  return new RsyncError("ERR_RSYNC_PROTOCOL", message, { exitCode });
}
