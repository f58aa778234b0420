import * as fs from "node:fs";
import {
  type DirectoryHandle,
  type FileStat,
  isDirectory,
  isRegularFile,
} from "@dialhome/posix-fs";
import { MODE } from "@dialhome/rsync-protocol";
import { NamedXattrs, type XattrTarget } from "./xattr-target.ts";

/** What a file should be, where it is only written down (`--fake-super`). */
export interface StatRecord {
  /** POSIX type and permissions. */
  readonly mode: number;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  readonly uid: number;
  readonly gid: number;
}

/** What a file is by itself; without numbers it is no device. */
export type OnDisk = Pick<FileStat, "mode" | "uid" | "gid"> &
  Partial<Pick<FileStat, "rdevMajor" | "rdevMinor">>;

/** The attribute that holds the record. */
const RECORD = "user.rsync.%stat";
/** Longest record that is read, bytes; rsync's buffer for one is as long. */
const RECORD_BYTES = 255;
/** Longest link target, bytes: the content of a file that stands for a symbolic link. */
const TARGET_BYTES = 4095;

/** `<mode octal> <major>,<minor> <uid>:<gid>`, without padding. */
export function formatStatRecord({ mode, rdevMajor, rdevMinor, uid, gid }: StatRecord): string {
  return `${mode.toString(8)} ${rdevMajor},${rdevMinor} ${uid}:${gid}`;
}

/** Undefined when it is no such record. */
export function parseStatRecord(text: string): StatRecord | undefined {
  const match = /^\s*([0-7]{1,7})\s+(\d{1,10}),\s*(\d{1,10})\s+(\d{1,10}):(\d{1,10})/.exec(text);
  if (!match) return undefined;
  const [, mode = "", ...rest] = match;
  const [rdevMajor = 0, rdevMinor = 0, uid = 0, gid = 0] = rest.map(Number);
  return { mode: Number.parseInt(mode, 8), rdevMajor, rdevMinor, uid, gid };
}

/** What an entry is by its record; without one, what it is. */
export function lstatRecorded(directory: DirectoryHandle, name: Uint8Array): FileStat | undefined {
  const stat = directory.lstat(name);
  return stat && withRecord(stat, new NamedXattrs(directory, name));
}

/** The same for something that was looked at already. */
export function withRecord(stat: FileStat, target: XattrTarget): FileStat {
  const record = readRecord(stat, target);
  return record ? { ...stat, ...record } : stat;
}

function readRecord(stat: FileStat, target: XattrTarget): StatRecord | undefined {
  // Only these can have user attributes.
  if (!isRegularFile(stat) && !isDirectory(stat)) return undefined;
  const value = target.get(RECORD);
  if (!value || value.length > RECORD_BYTES) return undefined;
  const record = parseStatRecord(value.toString("latin1"));
  // A directory is never anything else.
  return record && isDirectory(record) === isDirectory(stat) ? record : undefined;
}

/**
 * Writes down what `wanted` has and the file cannot, and gives the file the permissions that it may have; the record goes where
 * the file says it all by itself.
 */
export function storeRecord(
  target: XattrTarget,
  stat: OnDisk,
  wanted: StatRecord,
  chmod: (mode: number) => void,
): void {
  const type = stat.mode & MODE.TYPE_MASK;
  const permissions = (wanted.mode & 0o777) | (isDirectory(stat) ? 0o700 : 0o600);
  if ((stat.mode & MODE.PERMISSIONS) !== permissions) chmod(permissions);
  const before = target.get(RECORD);
  const saysAll =
    (type | permissions) === wanted.mode &&
    (stat.rdevMajor ?? 0) === wanted.rdevMajor &&
    (stat.rdevMinor ?? 0) === wanted.rdevMinor &&
    stat.uid === wanted.uid &&
    stat.gid === wanted.gid;
  if (saysAll) {
    if (before) target.remove(RECORD);
    return;
  }
  const text = Buffer.from(formatStatRecord(wanted));
  if (!before?.equals(text)) target.set(RECORD, text);
}

/** Makes the file that stands for a link (with the target in it), a device, a pipe or a socket. */
export function makeStandIn(
  directory: DirectoryHandle,
  name: Uint8Array,
  content: Uint8Array,
): void {
  const { O_WRONLY, O_CREAT, O_EXCL } = fs.constants;
  const fd = directory.openFile(name, O_WRONLY | O_CREAT | O_EXCL, 0o600);
  try {
    for (let at = 0; at < content.length; ) at += fs.writeSync(fd, content, at);
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Whether an entry is a link with that target.
 * @param isFake - links are files with the target in them (`--fake-super`), and one of the system's is to become such a file
 */
export function isLinkTo(
  directory: DirectoryHandle,
  name: Uint8Array,
  target: string,
  isFake: boolean,
): boolean {
  if (!isFake) return directory.readlink(name).toString("latin1") === target;
  const stat = directory.lstat(name);
  return stat !== undefined && isRegularFile(stat) && contentOf(directory, name) === target;
}

function contentOf(directory: DirectoryHandle, name: Uint8Array): string {
  const fd = directory.openFile(name);
  try {
    const target = Buffer.alloc(TARGET_BYTES + 1);
    return target.toString("latin1", 0, fs.readSync(fd, target));
  } finally {
    fs.closeSync(fd);
  }
}
