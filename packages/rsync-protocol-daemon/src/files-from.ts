import { closeSync, readSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { errorCode } from "@dialhome/posix-fs";
import { EXIT, LIMITS, RsyncError, type Wire } from "@dialhome/rsync-protocol";
import { MAX_FILES_FROM_BYTES, MAX_FILES_FROM_NAMES } from "./constants.ts";
import { noSuchEntry } from "./link-follower.ts";
import { parseRequestedPath, walkInside } from "./path-gate.ts";
import { describeError } from "./report.ts";
import type { SourceFilter } from "./source-filter.ts";
import type { SourceRoot } from "./sources.ts";

/** Names that are read before the event loop gets a turn. */
const NAMES_IN_A_ROW = 2000;

/**
 * Reads the list of `--files-from` that a client sends behind its filter rules: names ended by NUL, then an empty one.
 *
 * @throws RsyncError `ERR_RSYNC_LIMIT` for too many of them, or a too long one
 */
export async function hearFilesFrom(wire: Wire): Promise<string[]> {
  const { reader } = wire;
  const names: string[] = [];
  const name = Buffer.allocUnsafe(LIMITS.nameBytes);
  let length = 0;
  let total = 0;
  for (;;) {
    if (reader.available === 0) await wire.more();
    const byte = reader.byte();
    if (byte !== 0) {
      if (length === name.length) throw tooMuch(`a name of more than ${LIMITS.nameBytes} bytes`);
      name[length++] = byte;
      continue;
    }
    if (length === 0) return names;
    names.push(name.toString("latin1", 0, length));
    total += length;
    length = 0;
    assertWithin(names.length, total);
    if (names.length % NAMES_IN_A_ROW === 0) await nextTurn();
  }
}

/**
 * Reads the list of `--files-from` from a file of the module. Empty lines, and such as begin with `#` or `;`, are left out.
 *
 * @param from0 - names end in NUL instead of in a line end
 * @throws RsyncError as {@link hearFilesFrom}, and `ERR_RSYNC_FILE` when the file cannot be read
 */
export function readFilesFrom(
  root: SourceRoot,
  path: string,
  from0: boolean,
  filter: SourceFilter,
): string[] {
  let text: string;
  try {
    text = readModuleFile(root, path, filter);
  } catch (error) {
    if (error instanceof RsyncError && error.code === "ERR_RSYNC_LIMIT") throw error;
    if (!(error instanceof RsyncError) && errorCode(error) === undefined) throw error;
    const message = `failed to open files-from file ${root.label(path)}: ${describeError(error)}`;
    throw new RsyncError("ERR_RSYNC_FILE", message, { exitCode: EXIT.UNSUPPORTED, cause: error });
  }
  const names = text.split(from0 ? "\0" : /[\r\n]/).filter((name) => /^[^#;]/s.test(name));
  assertWithin(names.length, 0);
  return names;
}

function readModuleFile(root: SourceRoot, path: string, filter: SourceFilter): string {
  const { components } = parseRequestedPath(path);
  const { followAbsolute } = root;
  const reached = walkInside(root.directory, components, true, { followAbsolute });
  let fd = -1;
  try {
    const isHidden = [components, reached.components].some((way) =>
      filter.hidesRequested(way.join("/"), false),
    );
    if (reached.leaf === undefined || isHidden) throw noSuchEntry();
    fd = reached.directory.openFile(reached.leaf);
    const pieces: Buffer[] = [];
    for (let total = 0; ; ) {
      const piece = Buffer.allocUnsafe(1024 * 1024);
      const got = readSync(fd, piece, 0, piece.length, null);
      if (got === 0) return Buffer.concat(pieces).toString("latin1");
      total += got;
      assertWithin(0, total);
      pieces.push(piece.subarray(0, got));
    }
  } finally {
    if (fd >= 0) closeSync(fd);
    reached.directory.close();
  }
}

function assertWithin(names: number, bytes: number): void {
  if (names > MAX_FILES_FROM_NAMES) throw tooMuch(`more than ${MAX_FILES_FROM_NAMES} names`);
  if (bytes > MAX_FILES_FROM_BYTES) throw tooMuch(`more than ${MAX_FILES_FROM_BYTES} bytes`);
}

function tooMuch(what: string): RsyncError {
  return new RsyncError("ERR_RSYNC_LIMIT", `--files-from: ${what}`);
}
