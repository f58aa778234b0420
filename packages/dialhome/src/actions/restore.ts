import { resolve } from "node:path";
import { SnapshotStore } from "@dialhome/reverse-backup";
import { EXIT_CODE } from "../exit-codes.ts";
import { codeOf } from "../failure.ts";
import type { CommandIo } from "../io.ts";
import { openByteBar } from "../terminal/byte-bar.ts";
import { writeJsonLine } from "../terminal/json-lines.ts";
import { printable } from "../terminal/printable.ts";
import { formatBytes, formatFiles } from "../terminal/sizes.ts";

/** The options of `dialhome restore`. */
export interface RestoreFlags {
  readonly to: string;
  readonly overwrite?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** `dialhome restore` */
export async function runRestore(
  dir: string,
  machine: string,
  paths: readonly string[],
  flags: RestoreFlags,
  io: CommandIo,
): Promise<number> {
  using store = await SnapshotStore.open(resolve(io.cwd, dir));
  const snapshot = await findSnapshot(store, machine);
  const title = `${printable(snapshot.name)} ${snapshot.id}`;
  const destination = resolve(io.cwd, flags.to);
  const showsBar = io.stderr.isTTY === true && !flags.quiet && !flags.json;
  using bar = openByteBar(showsBar ? io.stderr : undefined, title);
  const report = await store.restore(snapshot, {
    destination,
    paths,
    overwrite: flags.overwrite ?? false,
    signal: io.signal,
    onProgress: bar.progress,
  });
  bar.end();
  const { ok, entries, files, bytes, failureCount } = report;
  const lines = report.failures.map(({ line }) => printable(line));
  for (const line of lines) io.stderr.write(`dialhome: ${line}\n`);
  if (flags.json) {
    const { name, id, keyId } = snapshot;
    writeJsonLine(io.stdout, {
      name,
      id,
      keyId,
      destination,
      ok,
      entries,
      files,
      bytes,
      failures: failureCount,
      lines,
    });
  } else if (!flags.quiet) {
    const what = `${formatFiles(files)}, ${formatBytes(bytes)}`;
    io.stdout.write(`${title}: ${what} restored to ${printable(destination)}\n`);
  }
  return ok ? EXIT_CODE.done : EXIT_CODE.partial;
}

/** Reads `machine[:snapshot]`; a name may hold colons itself. */
async function findSnapshot(
  store: SnapshotStore,
  text: string,
): Promise<Awaited<ReturnType<SnapshotStore["find"]>>> {
  try {
    return await store.find(text);
  } catch (error) {
    const colon = text.lastIndexOf(":");
    if (codeOf(error) !== "ERR_STORE_NOT_FOUND" || colon < 0) throw error;
    return store.find(text.slice(0, colon), text.slice(colon + 1));
  }
}
