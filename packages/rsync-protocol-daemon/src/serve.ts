import type { Duplex } from "node:stream";
import { asRsyncError, EXIT, RsyncError, Wire } from "@dialhome/rsync-protocol";
import { closeDraining, sayFarewell } from "./closing.ts";
import { CLOSING_TIMEOUT_MS, HANDSHAKE_TIMEOUT_MS } from "./constants.ts";
import type { Log, ServeResult, SessionOptions } from "./options.ts";
import { noProgress, type Progress } from "./session.ts";

/** One session within its frame. */
export interface Frame {
  readonly wire: Wire;
  readonly log: Log;
  readonly progress: Progress;
  /** Ends the time limit of the handshake. */
  readonly onStarted: () => void;
}

const NO_LOG: Log = () => undefined;

/**
 * What is around every session: deadlines, the farewell after a failure, draining, and the result. Whatever
 * the peer does ends here as a result, and nothing of ours stays attached to the stream.
 *
 * @param isTextual - a daemon's session, which begins with lines and ends the stream
 */
export async function serveFramed(
  stream: Duplex,
  options: SessionOptions,
  isTextual: boolean,
  body: (frame: Frame) => Promise<number>,
): Promise<ServeResult> {
  const log = options.log ?? NO_LOG;
  const progress = noProgress();
  const wire = new Wire(stream, options.signal === undefined ? {} : { signal: options.signal });
  const limitMs = options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
  const deadline = setTimeout(() => {
    wire.fail(
      new RsyncError("ERR_RSYNC_TIMEOUT", `the handshake is not over after ${limitMs / 1000} s`),
    );
  }, limitMs);
  const onStarted = (): void => clearTimeout(deadline);
  let exitCode: number = EXIT.OK;
  try {
    exitCode = await body({ wire, log, progress, onStarted });
  } catch (error) {
    const failure = asFailure(error);
    progress.error = failure;
    exitCode = failure.exitCode;
    log("warn", "session-failed", { code: failure.code, message: failure.message });
    sayFarewell(wire, failure, progress, isTextual);
  } finally {
    clearTimeout(deadline);
    wire.setTimeout(0);
    if (isTextual) {
      await closeDraining(stream, wire, options.closingTimeoutMs ?? CLOSING_TIMEOUT_MS);
      wire.release();
      stream.destroy();
    } else {
      // Behind a remote shell an exit status goes before the end.
      wire.flush();
      wire.release();
    }
  }
  return {
    exitCode,
    error: progress.error,
    module: progress.module,
    user: progress.user,
    protocol: progress.protocol,
    entries: progress.entries,
    filesSent: progress.filesSent,
    literalBytes: progress.literalBytes,
    matchedBytes: progress.matchedBytes,
    bytesRead: wire.bytesRead,
    bytesWritten: wire.bytesWritten,
  };
}

/** A failed system call is a file error; anything else that is not ours is a bug, and kept as the cause. */
function asFailure(error: unknown): RsyncError {
  if (error instanceof RsyncError) return error;
  if (error instanceof Error && "syscall" in error) {
    return new RsyncError("ERR_RSYNC_FILE", error.message, { cause: error });
  }
  return asRsyncError(error);
}
