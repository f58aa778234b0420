import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { onTestFinished } from "vitest";
import { type OpenStoreOptions, SnapshotStore } from "../../../src/store/snapshot-store.ts";
import type { SnapshotTransaction } from "../../../src/store/transaction.ts";
import { TreeCursor } from "../../../src/store/tree-cursor.ts";
import { walkTree } from "../../../src/store/tree-walk.ts";
import { key, pullInto } from "./pull.ts";

export { key, pullInto };

/** A temporary directory, gone after the test. */
export function scratch(): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "store-"));
  onTestFinished(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A new store, closed and gone after the test. */
export async function newStore(
  options: OpenStoreOptions = {},
  root = path.join(scratch(), "store"),
): Promise<SnapshotStore> {
  const store = await SnapshotStore.open(root, { create: true, ...options });
  onTestFinished(() => store.close());
  return store;
}

/** A source tree with one of each kind that needs no root. */
export function sampleTree(directory = path.join(scratch(), "source")): string {
  fs.mkdirSync(path.join(directory, "sub/deeper"), { recursive: true });
  fs.writeFileSync(path.join(directory, "a.txt"), "hello");
  fs.writeFileSync(path.join(directory, "sub/b.txt"), "x".repeat(3000), { mode: 0o600 });
  fs.writeFileSync(path.join(directory, "sub/deeper/empty"), "");
  fs.linkSync(path.join(directory, "a.txt"), path.join(directory, "sub/hard"));
  fs.symlinkSync("../a.txt", path.join(directory, "sub/link"));
  fs.symlinkSync("/nowhere", path.join(directory, "dangling"));
  fs.writeFileSync(
    Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xff, 0x0a, 0x2d])]),
    "odd",
  );
  fs.chmodSync(path.join(directory, "sub/deeper"), 0o750);
  const handle = DirectoryHandle.open(directory);
  handle.mknod(Buffer.from("fifo"), 0o10640);
  handle.makeSocketNode(Buffer.from("socket"), 0o640);
  handle.setTimes(Buffer.from("a.txt"), { mtimeSec: 1_600_000_000, mtimeNsec: 123_456_789 });
  handle.setTimes(Buffer.from("dangling"), { mtimeSec: -5, mtimeNsec: 7 });
  handle.close();
  return directory;
}

const ROOT = Buffer.from(".");

/** The descriptors that this process has open. */
export function openDescriptors(): number {
  return fs.readdirSync("/proc/self/fd").length;
}

/** What a tree is, entry by entry, in a form that compares: all that a backup must keep. */
export function describeTree(directory: string): Record<string, string> {
  using root = DirectoryHandle.open(directory);
  using cursor = new TreeCursor(root);
  const tree: Record<string, string> = {};
  const groups = new Map<bigint, string[]>();
  for (const name of [ROOT, ...walkTree(root)]) {
    const stat = cursor.lstat(name);
    if (stat === undefined) continue;
    const shown = name.toString("latin1");
    const isLink = (stat.mode & 0o170000) === 0o120000;
    const isFile = (stat.mode & 0o170000) === 0o100000;
    let content = "";
    if (name !== ROOT && (isLink || isFile)) {
      const at = cursor.locate(name);
      content = isLink
        ? at.directory.readlink(at.name).toString("latin1")
        : createHash("sha256")
            .update(fs.readFileSync(at.directory.at(at.name)))
            .digest("hex");
    }
    if (isFile) groups.set(stat.ino, [...(groups.get(stat.ino) ?? []), shown]);
    tree[shown] =
      `${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${stat.mtimeSec}.${stat.mtimeNsec} ${content}`;
  }
  for (const paths of groups.values()) {
    if (paths.length > 1)
      for (const member of paths) tree[member] += ` = ${paths.toSorted().join(" ")}`;
  }
  return tree;
}

/** A whole pull of a directory, published. */
export async function snapshotOfTree(
  store: SnapshotStore,
  source: string,
  name = "host1",
  now?: Date,
): Promise<Awaited<ReturnType<SnapshotTransaction["publish"]>>> {
  await using tx = await store.begin(key(name), { name, ...(now === undefined ? {} : { now }) });
  pullInto(tx, source);
  return await tx.publish({ exitCode: 0 });
}
