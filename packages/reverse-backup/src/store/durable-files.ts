import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { type DirectoryHandle, errorCode } from "@dialhome/posix-fs";
import { SMALL_FILE_BYTES_LIMIT } from "./constants.ts";
import { StoreError } from "./errors.ts";

const { O_CREAT, O_EXCL, O_RDONLY, O_WRONLY } = fs.constants;

let prefix: string | undefined;
let made = 0;

/** A name of our own in a directory: `.PURPOSE.PID.HEX`. Random once for the process and counted then, since randomness costs more than a small file. */
export function temporaryName(purpose: string): Buffer {
  prefix ??= randomBytes(6).toString("hex");
  made += 1;
  return Buffer.from(`.${purpose}.${process.pid}.${prefix}${made.toString(16)}`);
}

/** Writes all of `bytes`; a write may take less than it was given. */
export function writeFully(fd: number, bytes: Uint8Array): void {
  let offset = 0;
  while (offset < bytes.length) offset += fs.writeSync(fd, bytes, offset);
}

/** Creates a file that must not exist. Nothing of it is on the disk yet. */
export function createFile(
  directory: DirectoryHandle,
  name: Uint8Array,
  content: Uint8Array | string,
): void {
  const fd = directory.openFile(name, O_CREAT | O_EXCL | O_WRONLY, 0o600);
  try {
    writeFully(fd, typeof content === "string" ? Buffer.from(content) : content);
  } finally {
    fs.closeSync(fd);
  }
}

/** Replaces a file, or creates it, with all its content at once. Nothing of it is on the disk yet. */
export function replaceFile(
  directory: DirectoryHandle,
  name: Uint8Array,
  content: Uint8Array | string,
): void {
  const temporary = temporaryName("new");
  try {
    createFile(directory, temporary, content);
    directory.rename(temporary, directory, name);
  } catch (error) {
    removeIfThere(directory, temporary);
    throw error;
  }
}

/** Creates a file with all its content at once: nobody ever sees it empty or half. False when the name is taken. */
export function createFileAtomically(
  directory: DirectoryHandle,
  name: Uint8Array,
  content: Uint8Array | string,
): boolean {
  const temporary = temporaryName("new");
  try {
    createFile(directory, temporary, content);
    directory.link(directory, temporary, name);
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  } finally {
    removeIfThere(directory, temporary);
  }
  return true;
}

/** Removes a file; nothing happens when there is none. */
export function removeIfThere(directory: DirectoryHandle, name: Uint8Array): void {
  try {
    directory.unlink(name);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
}

/** The bytes of a small file; undefined when it is missing. `ERR_STORE_CORRUPT` when it is larger than 1 MiB or no regular file. */
export function readSmallFile(directory: DirectoryHandle, name: string): Buffer | undefined {
  let fd: number;
  try {
    fd = directory.openFile(Buffer.from(name), O_RDONLY);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    const stat = fs.fstatSync(fd);
    if (!stat.isFile() || stat.size > SMALL_FILE_BYTES_LIMIT) {
      const what = stat.isFile() ? `has ${stat.size} bytes` : "is no regular file";
      throw new StoreError(
        "ERR_STORE_CORRUPT",
        `${name} ${what}, limit ${SMALL_FILE_BYTES_LIMIT} bytes`,
      );
    }
    const content = Buffer.alloc(stat.size);
    let length = 0;
    while (length < content.length) {
      const count = fs.readSync(fd, content, length, content.length - length, null);
      if (count === 0) break;
      length += count;
    }
    return content.subarray(0, length);
  } finally {
    fs.closeSync(fd);
  }
}

/** A directory of that name, made when it is missing (mode 0700: what lies below may be set-id or private). */
export function ensureDirectory(parent: DirectoryHandle, name: string): DirectoryHandle {
  const bytes = Buffer.from(name);
  try {
    parent.mkdir(bytes, 0o700);
    parent.fsync();
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
  }
  return parent.openDirectory(bytes);
}
