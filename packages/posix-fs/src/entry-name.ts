import { NAME_BYTES_LIMIT } from "./constants.ts";
import { PosixFsError } from "./errors.ts";

const DOT = 0x2e;
const SLASH = 0x2f;

/**
 * Throws `ERR_POSIX_FS_NAME` unless `name` is one entry of one directory: 1 to 255 bytes, no `/`,
 * no NUL, and neither `.` nor `..`.
 */
export function assertEntryName(name: Uint8Array): void {
  const length = name.length;
  if (length === 0)
    throw new PosixFsError("ERR_POSIX_FS_NAME", "a name is empty", { entryName: name });
  if (length > NAME_BYTES_LIMIT) {
    throw new PosixFsError(
      "ERR_POSIX_FS_NAME",
      `a name has ${length} bytes, limit ${NAME_BYTES_LIMIT}`,
      { entryName: name },
    );
  }
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
