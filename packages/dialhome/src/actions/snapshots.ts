import { resolve } from "node:path";
import { type Snapshot, SnapshotStore } from "@dialhome/reverse-backup";
import { DialhomeError } from "../errors.ts";
import type { CommandIo } from "../io.ts";
import { writeJsonLine } from "../terminal/json-lines.ts";
import { printable } from "../terminal/printable.ts";
import { formatBytes, formatCount } from "../terminal/sizes.ts";
import { formatTable } from "../terminal/table.ts";

/** The options of `dialhome snapshots`. */
export interface SnapshotsFlags {
  readonly paths?: boolean;
  readonly json?: boolean;
}

/** `dialhome snapshots` */
export async function runSnapshots(
  dir: string,
  machine: string | undefined,
  flags: SnapshotsFlags,
  io: CommandIo,
): Promise<number> {
  using store = await SnapshotStore.open(resolve(io.cwd, dir));
  const snapshots = await snapshotsOf(store, machine);
  if (flags.json) {
    for (const snapshot of snapshots) writeJsonLine(io.stdout, { ...snapshot });
    return 0;
  }
  if (snapshots.length === 0) {
    io.stdout.write("no snapshots yet\n");
    return 0;
  }
  const rows = snapshots.map((snapshot) => rowOf(snapshot, flags.paths === true));
  const head = [
    "machine",
    "snapshot",
    "files",
    "size",
    "new",
    "state",
    ...(flags.paths ? ["path"] : []),
  ];
  for (const line of formatTable([head, ...rows], [2, 3, 4])) io.stdout.write(`${line}\n`);
  return 0;
}

/** All snapshots, or those of one machine. @throws DialhomeError when the store does not know the machine */
export async function snapshotsOf(
  store: SnapshotStore,
  machine: string | undefined,
): Promise<readonly Snapshot[]> {
  const all = await store.list();
  if (machine === undefined) return all;
  const keyId = store.namesOf().find(({ name }) => name === machine)?.keyId ?? machine;
  const own = all.filter((snapshot) => snapshot.keyId === keyId);
  const isKnown = own.length > 0 || store.namesOf().some((binding) => binding.keyId === keyId);
  if (isKnown) return own;
  const message = `the store has no machine "${machine}"`;
  throw new DialhomeError("ERR_DIALHOME_REFUSED", message);
}

function rowOf(snapshot: Snapshot, withPath: boolean): string[] {
  const { name, id, totals, status, dataPath } = snapshot;
  const numbers =
    status === "damaged"
      ? ["", "", ""]
      : [formatCount(totals.files), formatBytes(totals.bytes), formatBytes(totals.newBytes)];
  return [
    printable(name),
    id,
    ...numbers,
    stateOf(snapshot),
    ...(withPath ? [printable(dataPath)] : []),
  ];
}

function stateOf({ status, warnings }: Snapshot): string {
  return status === "partial" ? `partial, ${formatCount(warnings)} warnings` : status;
}
