import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { MKNODAT } from "./capabilities.ts";
import { FILE_TYPE } from "./constants.ts";
import { PosixFsError } from "./errors.ts";
import { joinDevice } from "./file-stat.ts";
import { type NativeFunction, nativeLibrary } from "./native-library.ts";
import { descriptorPath } from "./node-calls.ts";
import { systemError } from "./system-error.ts";

let mknodat: NativeFunction | null | undefined;

/** mknod(2) in a held directory: by the C library, else by mknod(1) and mkfifo(1). `mode` has type and permission bits. */
export function makeNode(
  directory: number,
  name: Uint8Array,
  mode: number,
  major: number,
  minor: number,
): void {
  const library = nativeLibrary();
  if (mknodat === undefined) mknodat = library?.find(MKNODAT) ?? null;
  if (library === undefined || mknodat === null) {
    makeNodeByProgram(directory, name, mode, major, minor);
    return;
  }
  const path = Buffer.alloc(name.length + 1);
  path.set(name, 0);
  if (mknodat(directory, path, mode, joinDevice(major, minor)) !== 0) {
    throw systemError(library.errno(), "mknodat", name);
  }
}

/**
 * The same by programs. An argument of a program is text, a name is bytes: so it is made under a name
 * of our own and then linked to its place, which keeps mknod(2)'s refusal of a name that is taken.
 */
export function makeNodeByProgram(
  directory: number,
  name: Uint8Array,
  mode: number,
  major: number,
  minor: number,
): void {
  const temporary = `.node-${randomBytes(9).toString("hex")}`;
  // The program has a /proc/self of its own.
  const path = `/proc/${process.pid}/fd/${directory}/${temporary}`;
  const permissions = (mode & 0o7777).toString(8);
  const [program, ...args] = nodeCommand(mode, path, permissions, major, minor, name);
  const result = spawnSync(program, args, { encoding: "utf8", env: { LC_ALL: "C", PATH: SEARCH } });
  if (result.error !== undefined || result.status !== 0) {
    const why = result.error?.message ?? result.stderr.trim().slice(0, 200);
    throw new PosixFsError("ERR_POSIX_FS_HELPER", `${program} failed: ${why}`, {
      entryName: name,
      ...(result.error === undefined ? {} : { cause: result.error }),
    });
  }
  const made = descriptorPath(directory, Buffer.from(temporary));
  try {
    fs.linkSync(made, descriptorPath(directory, name));
  } finally {
    fs.unlinkSync(made);
  }
}

const SEARCH = "/usr/sbin:/usr/bin:/sbin:/bin";

function nodeCommand(
  mode: number,
  path: string,
  permissions: string,
  major: number,
  minor: number,
  name: Uint8Array,
): [string, ...string[]] {
  switch (mode & FILE_TYPE.MASK) {
    case FILE_TYPE.FIFO:
      return ["mkfifo", "-m", permissions, path];
    case FILE_TYPE.CHARACTER_DEVICE:
      return ["mknod", "-m", permissions, path, "c", String(major), String(minor)];
    case FILE_TYPE.BLOCK_DEVICE:
      return ["mknod", "-m", permissions, path, "b", String(major), String(minor)];
    default:
      throw new PosixFsError(
        "ERR_POSIX_FS_UNSUPPORTED",
        "a socket node cannot be made: koffi is not installed or has no mknodat here",
        { entryName: name },
      );
  }
}
