import * as fs from "node:fs";
import type { AtCalls } from "./at-calls.ts";
import { type FileTimes, fileStatOf } from "./file-stat.ts";

const prefixes = new Map<number, Buffer>();

/** `/proc/self/fd/N/` for a descriptor number; numbers are few and used again, so the buffers are kept. */
function descriptorPrefix(directory: number): Buffer {
  let prefix = prefixes.get(directory);
  if (prefix === undefined) {
    prefix = Buffer.from(`/proc/self/fd/${directory}/`, "latin1");
    prefixes.set(directory, prefix);
  }
  return prefix;
}

/** The path by which `node:fs` reaches `name` in the held directory, whatever its path has become. */
export function descriptorPath(directory: number, name: Uint8Array): Buffer {
  const prefix = descriptorPrefix(directory);
  const path = Buffer.allocUnsafe(prefix.length + name.length);
  path.set(prefix, 0);
  path.set(name, prefix.length);
  return path;
}

/**
 * Seconds with a fraction, as `utimes` takes them: microseconds survive, nanoseconds do not. A negative
 * number would mean "now" to `node:fs`, so times before 1970 go as a Date, with milliseconds only.
 */
function seconds(sec: number, nsec: number): number | Date {
  return sec < 0 ? new Date(sec * 1000 + Math.floor(nsec / 1e6)) : sec + nsec / 1e9;
}

function fromMs(ms: number): number | Date {
  return ms < 0 ? new Date(ms) : ms / 1000;
}

function atimeOf(times: FileTimes, current: () => number): number | Date {
  if (times.atimeSec === undefined) return fromMs(current());
  return seconds(times.atimeSec, times.atimeNsec ?? 0);
}

/** {@link AtCalls} by `node:fs` alone. Times keep microseconds only, those before 1970 milliseconds. */
export const nodeCalls: AtCalls = {
  lstat(directory, name) {
    const stat = fs.lstatSync(descriptorPath(directory, name), {
      bigint: true,
      throwIfNoEntry: false,
    });
    return stat === undefined ? undefined : fileStatOf(stat);
  },
  open: (directory, name, flags, mode) =>
    fs.openSync(descriptorPath(directory, name), flags | fs.constants.O_NOFOLLOW, mode),
  mkdir(directory, name, mode) {
    fs.mkdirSync(descriptorPath(directory, name), { mode });
  },
  rename: (directory, name, toDirectory, toName) =>
    fs.renameSync(descriptorPath(directory, name), descriptorPath(toDirectory, toName)),
  link: (directory, name, toDirectory, toName) =>
    fs.linkSync(descriptorPath(directory, name), descriptorPath(toDirectory, toName)),
  unlink: (directory, name) => fs.unlinkSync(descriptorPath(directory, name)),
  chown: (directory, name, uid, gid) => fs.lchownSync(descriptorPath(directory, name), uid, gid),
  setTimes(directory, name, times) {
    const path = descriptorPath(directory, name);
    const atime = atimeOf(times, () => fs.lstatSync(path).atimeMs);
    fs.lutimesSync(path, atime, seconds(times.mtimeSec, times.mtimeNsec));
  },
  setTimesOfFd(fd, times) {
    const atime = atimeOf(times, () => fs.fstatSync(fd).atimeMs);
    fs.futimesSync(fd, atime, seconds(times.mtimeSec, times.mtimeNsec));
  },
};
