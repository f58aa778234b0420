import { NAME_BYTES_LIMIT } from "./constants.ts";
import { PosixFsError } from "./errors.ts";
import { systemError } from "./system-error.ts";

/** asm-generic/errno.h */
const ENAMETOOLONG = 36;
const DOT = 0x2e;
const SLASH = 0x2f;

/**
 * Throws `ERR_POSIX_FS_NAME` unless `name` is one entry of one directory: not empty, no `/`,
 * no NUL, and neither `.` nor `..`; `ENAMETOOLONG`, as the kernel would, when it has over 255 bytes.
 */
export function assertEntryName(name: Uint8Array): void {
  const length = name.length;
  if (length === 0)
    throw new PosixFsError("ERR_POSIX_FS_NAME", "a name is empty", { entryName: name });
  if (length > NAME_BYTES_LIMIT) throw systemError(ENAMETOOLONG, "open", name);
  if (name[0] === DOT && (length === 1 || (length === 2 && name[1] === DOT))) {
    throw new PosixFsError("ERR_POSIX_FS_NAME", "a name is . or ..", { entryName: name });
  }
  for (let i = 0; i < length; i++) {
    const byte = name[i];
    if (byte === SLASH || byte === 0) {
      throw new PosixFsError(
        "ERR_POSIX_FS_NAME",
        `a name holds ${byte === 0 ? "NUL" : "/"} at byte ${i}`,
        { entryName: name },
      );
    }
  }
}
