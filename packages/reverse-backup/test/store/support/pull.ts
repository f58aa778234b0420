import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { keyIdOf } from "../../../src/store/machine-name.ts";
import type { ManifestEntry } from "../../../src/store/manifest-entry.ts";
import type { SnapshotTransaction } from "../../../src/store/transaction.ts";
import { TreeCursor } from "../../../src/store/tree-cursor.ts";
import { walkTree } from "../../../src/store/tree-walk.ts";

/** The id of a key that is told by one word. */
export function key(word: string): string {
  return keyIdOf(createHash("sha256").update(word).digest());
}

const ROOT = Buffer.from(".");

/** What a pull needs of a transaction. */
export type PullTarget = Pick<SnapshotTransaction, "dataPath" | "previous" | "record">;

/** Pulls a local directory into a transaction as the rsync client would over the wire. */
export function pullInto(tx: PullTarget, source: string): void {
  using from = DirectoryHandle.open(source);
  using to = DirectoryHandle.open(tx.dataPath);
  using previous =
    tx.previous === undefined ? undefined : DirectoryHandle.open(tx.previous.dataPath);
  using fromCursor = new TreeCursor(from);
  using toCursor = new TreeCursor(to);
  using previousCursor = previous === undefined ? undefined : new TreeCursor(previous);
  const leaders = new Map<bigint, Buffer>();
  const directories: ManifestEntry[] = [];
  for (const name of [ROOT, ...walkTree(from)]) {
    const stat = fromCursor.lstat(name);
    if (stat === undefined) throw new Error("vanished");
    const base = {
      name,
      mode: stat.mode,
      size: stat.size,
      mtimeSec: stat.mtimeSec,
      mtimeNsec: stat.mtimeNsec,
      uid: stat.uid,
      gid: stat.gid,
    };
    const type = stat.mode & 0o170000;
    if (type === 0o040000) {
      if (name !== ROOT) {
        const at = toCursor.locate(name);
        at.directory.mkdir(at.name, 0o700);
      }
      directories.push({ ...base, outcome: "new" });
      continue;
    }
    const at = toCursor.locate(name);
    const origin = fromCursor.locate(name);
    if (type === 0o120000) {
      const linkTarget = origin.directory.readlink(origin.name);
      at.directory.symlink(linkTarget, at.name);
      at.directory.chown(at.name, stat.uid, stat.gid);
      at.directory.setTimes(at.name, stat);
      tx.record({ ...base, linkTarget, outcome: "new" });
      continue;
    }
    if (type !== 0o100000) {
      const rdev = { rdevMajor: stat.rdevMajor, rdevMinor: stat.rdevMinor };
      at.directory.mknod(at.name, stat.mode, stat.rdevMajor, stat.rdevMinor);
      at.directory.chmod(at.name, stat.mode);
      at.directory.setTimes(at.name, stat);
      tx.record({ ...base, ...rdev, outcome: "new" });
      continue;
    }
    const leader = leaders.get(stat.ino);
    if (leader !== undefined) {
      using second = new TreeCursor(to);
      const first = second.locate(leader);
      at.directory.link(first.directory, first.name, at.name);
      tx.record({ ...base, hardLinkTo: leader, outcome: "hard-linked" });
      continue;
    }
    if (stat.nlink > 1) leaders.set(stat.ino, name);
    const old = previousCursor?.lstat(name);
    const same =
      old?.size === stat.size &&
      old.mtimeSec === stat.mtimeSec &&
      old.mtimeNsec === stat.mtimeNsec &&
      old.mode === stat.mode;
    if (same && previousCursor !== undefined) {
      const link = previousCursor.locate(name);
      at.directory.link(link.directory, link.name, at.name);
      tx.record({ ...base, outcome: "linked" });
      continue;
    }
    const content = fs.readFileSync(origin.directory.at(origin.name));
    fs.writeFileSync(at.directory.at(at.name), content);
    at.directory.chown(at.name, stat.uid, stat.gid);
    at.directory.chmod(at.name, stat.mode);
    at.directory.setTimes(at.name, stat);
    tx.record({ ...base, digest: createHash("sha256").update(content).digest(), outcome: "new" });
  }
  for (const entry of directories.toReversed()) {
    if (entry.name === ROOT) {
      to.chmodSelf(entry.mode);
      to.setTimesOfFd(to.fd, entry);
    } else {
      const at = toCursor.locate(entry.name);
      at.directory.chmod(at.name, entry.mode);
      at.directory.setTimes(at.name, entry);
    }
    tx.record(entry);
  }
}
