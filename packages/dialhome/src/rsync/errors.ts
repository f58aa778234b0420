import { RsyncError } from "@dialhome/rsync-protocol";

/** A mistake in the command line; exit code 1. */
export function syntaxError(message: string): RsyncError {
  return new RsyncError("ERR_RSYNC_OPTION", message);
}

/** Something that rsync can do and dialhome cannot; exit code 4. */
export function unsupportedError(message: string): RsyncError {
  return new RsyncError("ERR_RSYNC_UNSUPPORTED", message);
}
