import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { type Snapshot, SnapshotStore } from "@dialhome/reverse-backup";

/** All published snapshots of a store, from the oldest to the newest of each machine. */
export async function snapshotsOf(store: string): Promise<readonly Snapshot[]> {
  using opened = await SnapshotStore.open(store);
  return await opened.list();
}

/** Reads all that the given snapshots hold and compares it with their manifests; throws with what differs. */
export async function assertVerified(store: string, only?: readonly Snapshot[]): Promise<void> {
  using opened = await SnapshotStore.open(store);
  for (const snapshot of only ?? (await opened.list())) {
    const report = await opened.verify(snapshot, { level: "full" });
    if (report.ok) continue;
    const lines = report.mismatches.slice(0, 10).map(({ line }) => line);
    throw new Error(`${snapshot.id} does not verify:\n${lines.join("\n")}`);
  }
}

/**
 * What a folder holds, entry by entry: relative path → everything that may never change in a snapshot. Change times and
 * link counts are left out: an inode that a newer snapshot shares gets another name.
 */
export function photograph(root: string): Map<string, string> {
  const entries = new Map<string, string>();
  const visit = (path: Buffer, relative: string): void => {
    const stats = lstatSync(path, { bigint: true });
    const facts = [stats.mode, stats.uid, stats.gid, stats.mtimeNs, stats.ino].map(String);
    if (stats.isFile()) {
      facts.push(createHash("sha256").update(readFileSync(path)).digest("hex"));
    } else if (stats.isSymbolicLink()) facts.push(readlinkSync(path, "latin1"));
    entries.set(relative, facts.join(" "));
    if (!stats.isDirectory()) return;
    for (const name of readdirSync(path, "buffer").toSorted((a, b) => a.compare(b))) {
      const below = Buffer.concat([path, Buffer.from("/"), name]);
      visit(below, `${relative}/${name.toString("latin1")}`);
    }
  };
  visit(Buffer.from(root), "");
  return entries;
}

/** How many regular files of a tree are the same inode under the same path in the other, and how many there are. */
export function sharedInodes(tree: string, other: string): { shared: number; files: number } {
  let shared = 0;
  let files = 0;
  const visit = (relative: Buffer): void => {
    const at = Buffer.concat([Buffer.from(`${tree}/`), relative]);
    for (const entry of readdirSync(at, { withFileTypes: true, encoding: "buffer" })) {
      const below =
        relative.length === 0
          ? entry.name
          : Buffer.concat([relative, Buffer.from("/"), entry.name]);
      if (entry.isDirectory()) visit(below);
      if (!entry.isFile()) continue;
      files += 1;
      const own = lstatSync(Buffer.concat([Buffer.from(`${tree}/`), below]));
      if (inodeOf(Buffer.concat([Buffer.from(`${other}/`), below])) === own.ino) shared += 1;
    }
  };
  visit(Buffer.alloc(0));
  return { shared, files };
}

function inodeOf(path: Buffer): number | undefined {
  try {
    return lstatSync(path).ino;
  } catch {
    return undefined; // not there, or below what is a file there
  }
}
