import {
  closeSync,
  copyFileSync,
  futimesSync,
  mkdirSync,
  openSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { runOk } from "../test/support/processes.ts";
import { seededRandom } from "../test/support/random.ts";
import type { Source, Workload } from "./workloads.ts";

/** All times derive from this second. */
const T0 = 1_600_000_000;

const CHUNK_BYTES = 4 << 20;
const EDIT_BYTES = 4_096;

function makeBigFile(path: string, size: number, seed: string): void {
  const random = seededRandom(seed);
  const fd = openSync(path, "w", 0o640);
  for (let done = 0; done < size; done += CHUNK_BYTES) {
    writeSync(fd, random.bytes(Math.min(CHUNK_BYTES, size - done)));
  }
  futimesSync(fd, T0, T0);
  closeSync(fd);
}

/** Folders in two levels, twenty in each top one; sizes fall off exponentially. */
function makeTree(root: string, source: Extract<Source, { files: number }>): void {
  const random = seededRandom("tree");
  const made: string[] = [];
  for (let f = 0; f < source.folders; f++) {
    const folder = join(root, `dir-${Math.floor(f / 20)}`, `sub-${f % 20}`);
    mkdirSync(folder, { recursive: true, mode: 0o750 });
    made.push(folder);
    for (let n = 0; n < source.files / source.folders; n++) {
      const draw = (random.below(1e6) + 1) / 1e6;
      const size = Math.min(16 * source.meanBytes, Math.floor(-source.meanBytes * Math.log(draw)));
      const path = join(folder, `file-${n}.dat`);
      writeFileSync(path, random.bytes(size), { mode: n % 10 === 0 ? 0o750 : 0o640 });
      utimesSync(path, T0 + f * 100 + n, T0 + f * 100 + n);
    }
  }
  for (const folder of made) utimesSync(folder, T0, T0);
  for (const folder of new Set(made.map((path) => dirname(path)))) utimesSync(folder, T0, T0);
}

/** The file as it was before one percent of it changed, in 4 KiB places all over it. */
function makeOlder(from: string, to: string, size: number): void {
  copyFileSync(from, to);
  const random = seededRandom("older");
  const fd = openSync(to, "r+");
  for (let n = 0; n < Math.floor(size / 100 / EDIT_BYTES); n++) {
    writeSync(fd, random.bytes(EDIT_BYTES), 0, EDIT_BYTES, random.below(size - EDIT_BYTES));
  }
  futimesSync(fd, T0 - 86_400, T0 - 86_400);
  closeSync(fd);
}

/** Writes `FOLDER/src`, what the device has, and `FOLDER/base`, what the host has, where the workload has one. */
export async function makeWorkload(workload: Workload, folder: string): Promise<void> {
  const source = join(folder, "src");
  const base = join(folder, "base");
  mkdirSync(source, { recursive: true });
  if ("big" in workload.source) {
    for (const [name, size] of workload.source.big) makeBigFile(join(source, name), size, name);
  } else {
    makeTree(source, workload.source);
  }
  utimesSync(source, T0, T0);
  if (workload.base === "same") await runOk("cp", ["-a", source, base]);
  if (workload.base === "one-percent-older" && "big" in workload.source) {
    mkdirSync(base);
    for (const [name, size] of workload.source.big) {
      makeOlder(join(source, name), join(base, name), size);
    }
  }
}
