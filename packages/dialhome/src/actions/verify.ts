import { resolve } from "node:path";
import { type Snapshot, SnapshotStore } from "@dialhome/reverse-backup";
import { usageError } from "../errors.ts";
import { EXIT_CODE } from "../exit-codes.ts";
import type { CommandIo } from "../io.ts";
import { openByteBar } from "../terminal/byte-bar.ts";
import { writeJsonLine } from "../terminal/json-lines.ts";
import { printable } from "../terminal/printable.ts";
import { formatBytes, formatCount } from "../terminal/sizes.ts";
import { snapshotsOf } from "./snapshots.ts";

/** The options of `dialhome verify`. */
export interface VerifyFlags {
  readonly quick?: boolean;
  readonly all?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** Differences of one snapshot that are told one by one; the rest is counted. */
const TOLD_DIFFERENCES = 100;

/** `dialhome verify` */
export async function runVerify(
  dir: string,
  machine: string | undefined,
  selector: string | undefined,
  flags: VerifyFlags,
  io: CommandIo,
): Promise<number> {
  if (flags.all && (machine === undefined || selector !== undefined)) {
    throw usageError("--all goes with a machine, and without a snapshot");
  }
  using store = await SnapshotStore.open(resolve(io.cwd, dir));
  const snapshots =
    machine === undefined || flags.all
      ? await snapshotsOf(store, machine)
      : [await store.find(machine, selector)];
  let code: number = EXIT_CODE.done;
  for (const snapshot of snapshots) {
    if (!(await verifyOne(store, snapshot, flags, io))) code = EXIT_CODE.different;
  }
  return code;
}

async function verifyOne(
  store: SnapshotStore,
  snapshot: Snapshot,
  flags: VerifyFlags,
  io: CommandIo,
): Promise<boolean> {
  const title = `${printable(snapshot.name)} ${snapshot.id}`;
  const showsBar = io.stderr.isTTY === true && !flags.quiet && !flags.json;
  using bar = openByteBar(showsBar ? io.stderr : undefined, title);
  const report = await store.verify(snapshot, {
    level: flags.quick ? "quick" : "full",
    signal: io.signal,
    onProgress: bar.progress,
  });
  bar.end();
  const { ok, level, entries, files, bytes, mismatchCount } = report;
  const lines = report.mismatches.slice(0, TOLD_DIFFERENCES).map(({ line }) => printable(line));
  if (flags.json) {
    writeJsonLine(io.stdout, {
      name: snapshot.name,
      id: snapshot.id,
      keyId: snapshot.keyId,
      ok,
      level,
      entries,
      files,
      bytes,
      differences: mismatchCount,
      lines,
    });
    return ok;
  }
  for (const line of lines) io.stdout.write(`${title}: ${line}\n`);
  if (mismatchCount > lines.length) {
    io.stdout.write(
      `${title}: and ${formatCount(mismatchCount - lines.length)} more differences\n`,
    );
  }
  if (!flags.quiet && ok) {
    const read = flags.quick ? "content not read" : `${formatBytes(bytes)} read`;
    io.stdout.write(`${title}: as it was saved; ${formatCount(entries)} entries, ${read}\n`);
  }
  return ok;
}
