import {
  appendFileSync,
  closeSync,
  fstatSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { CopiedFile } from "./working-copy.ts";

/** What was changed, for people; and the file of which an old version is restored. */
export interface Changes {
  readonly lines: readonly string[];
  readonly edited: CopiedFile;
}

/** Bytes that each edit writes. */
const EDIT_BYTES = 64;

/** Changes a working copy in a few ways that happen between two backups. @throws Error when there is too little to change */
export function changeSomeFiles(root: string, files: readonly CopiedFile[]): Changes {
  const bySize = files.filter(({ bytes }) => bytes > 0).toSorted((a, b) => b.bytes - a.bytes);
  const [largest, second] = bySize;
  const others = bySize.slice(2).toSorted((a, b) => (a.path < b.path ? -1 : 1));
  if (largest === undefined || second === undefined) {
    throw new Error("the demo needs a directory with at least two files that are not empty");
  }
  const lines: string[] = [];
  overwriteMiddle(join(root, largest.path));
  lines.push(`changed ${EDIT_BYTES} bytes in the middle of ${largest.path}`);
  appendFileSync(join(root, second.path), "one more line\n");
  lines.push(`appended a line to ${second.path}`);
  const some = others.filter((_, at) => at % Math.max(1, Math.floor(others.length / 8)) === 0);
  const [deleted, renamed, ...appended] = some.slice(0, 7);
  for (const { path } of appended) appendFileSync(join(root, path), "one more line\n");
  if (appended.length > 0) lines.push(`appended a line to ${appended.length} small files`);
  if (deleted !== undefined) {
    rmSync(join(root, deleted.path));
    lines.push(`deleted ${deleted.path}`);
  }
  if (renamed !== undefined) {
    renameSync(join(root, renamed.path), join(root, `${renamed.path}.renamed`));
    lines.push(`renamed ${renamed.path}`);
  }
  writeFileSync(join(root, "new-since-yesterday.txt"), "hello from the device\n");
  lines.push("made new-since-yesterday.txt");
  return { lines, edited: largest };
}

function overwriteMiddle(path: string): void {
  const fd = openSync(path, "r+");
  try {
    const { size } = fstatSync(fd);
    writeSync(
      fd,
      Buffer.alloc(Math.min(EDIT_BYTES, size), "dialhome "),
      0,
      undefined,
      Math.floor(size / 2),
    );
  } finally {
    closeSync(fd);
  }
}
