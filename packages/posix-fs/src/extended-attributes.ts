import { PosixFsError } from "./errors.ts";
import { type NativeFunction, type NativeLibrary, nativeLibrary } from "./native-library.ts";
import { systemError } from "./system-error.ts";

/** Longest list of names, and longest value, that Linux gives (XATTR_LIST_MAX, XATTR_SIZE_MAX; linux/limits.h), bytes. */
const LINUX_LIMIT = 65_536;
/** `errno` of an attribute that is not there, and of a file system without attributes (asm-generic/errno.h). */
const ENODATA = 61;
const EOPNOTSUPP = 95;

interface Functions {
  readonly library: NativeLibrary;
  readonly list: NativeFunction;
  readonly get: NativeFunction;
  readonly set: NativeFunction;
  readonly remove: NativeFunction;
  readonly buffer: Buffer;
}

const functions = new Map<boolean, Functions | undefined>();

/** The calls that follow a last symbolic link, or do not; undefined without koffi. */
function findFunctions(follow: boolean): Functions | undefined {
  if (functions.has(follow)) return functions.get(follow);
  const l = follow ? "" : "l";
  const library = nativeLibrary();
  const list = library?.find(`long ${l}listxattr(const void*, void*, size_t)`);
  const get = library?.find(`long ${l}getxattr(const void*, const void*, void*, size_t)`);
  const set = library?.find(`int ${l}setxattr(const void*, const void*, const void*, size_t, int)`);
  const remove = library?.find(`int ${l}removexattr(const void*, const void*)`);
  const found =
    library && list && get && set && remove
      ? { library, list, get, set, remove, buffer: Buffer.alloc(LINUX_LIMIT) }
      : undefined;
  functions.set(follow, found);
  return found;
}

function required(follow: boolean): Functions {
  const found = findFunctions(follow);
  if (found) return found;
  throw new PosixFsError(
    "ERR_POSIX_FS_UNSUPPORTED",
    "extended attributes cannot be read or set: koffi is not installed or does not run here",
  );
}

/** Whether extended attributes can be read and set here at all. */
export function canUseXattrs(): boolean {
  return findFunctions(false) !== undefined;
}

/** Names of the attributes, latin1; none where the file system has none. `follow` only for paths of open descriptors. */
export function listXattrs(path: Uint8Array, follow: boolean): string[] {
  const { library, list, buffer } = required(follow);
  const length = list(terminated(path), buffer, buffer.length);
  if (length < 0) {
    if (library.errno() === EOPNOTSUPP) return [];
    throw systemError(library.errno(), "listxattr", path);
  }
  return buffer.toString("latin1", 0, length).split("\0").slice(0, -1);
}

/** A value; undefined when there is no such attribute. */
export function getXattr(path: Uint8Array, attribute: string, follow: boolean): Buffer | undefined {
  const { library, get, buffer } = required(follow);
  const length = get(terminated(path), terminatedText(attribute), buffer, buffer.length);
  if (length >= 0) return Buffer.from(buffer.subarray(0, length));
  const errno = library.errno();
  if (errno === ENODATA || errno === EOPNOTSUPP) return undefined;
  throw systemError(errno, "getxattr", path);
}

/** Sets a value, replacing the one that is there. */
export function setXattr(
  path: Uint8Array,
  attribute: string,
  value: Uint8Array,
  follow: boolean,
): void {
  const { library, set } = required(follow);
  // A pointer to nothing is no pointer to an empty value.
  const bytes = value.length === 0 ? Buffer.alloc(1) : value;
  if (set(terminated(path), terminatedText(attribute), bytes, value.length, 0) !== 0) {
    throw systemError(library.errno(), "setxattr", path);
  }
}

/** Removes an attribute; nothing happens when it is not there. */
export function removeXattr(path: Uint8Array, attribute: string, follow: boolean): void {
  const { library, remove } = required(follow);
  if (remove(terminated(path), terminatedText(attribute)) === 0) return;
  if (library.errno() !== ENODATA) throw systemError(library.errno(), "removexattr", path);
}

function terminated(path: Uint8Array): Buffer {
  return Buffer.concat([path, NUL]);
}

function terminatedText(attribute: string): Buffer {
  return Buffer.from(`${attribute}\0`, "latin1");
}

const NUL = Buffer.alloc(1);
