/**
 * Held directory handles and the file metadata calls that Node lacks.
 *
 * @packageDocumentation
 */
export { type Capabilities, capabilities } from "./capabilities.ts";
export { FILE_TYPE, LINK_TARGET_BYTES_LIMIT, NAME_BYTES_LIMIT } from "./constants.ts";
export { DirectoryHandle, type OpenDirectoryOptions } from "./directory-handle.ts";
export { assertEntryName } from "./entry-name.ts";
export {
  errorCode,
  PosixFsError,
  type PosixFsErrorCode,
  type PosixFsErrorDetails,
} from "./errors.ts";
export {
  type FileStat,
  type FileTimes,
  fileStatOf,
  isDirectory,
  isRegularFile,
  isSymlink,
} from "./file-stat.ts";
export { tryLockFile } from "./lock-file.ts";
export { OpenXattrs } from "./open-xattrs.ts";
export {
  ACL_ATTRIBUTE,
  decodePosixAcl,
  encodePosixAcl,
  type PosixAcl,
  type PosixAclName,
} from "./posix-acl.ts";
export { punchHole } from "./punch-hole.ts";
