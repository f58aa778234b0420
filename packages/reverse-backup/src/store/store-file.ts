import type { DirectoryHandle } from "@dialhome/posix-fs";
import * as v from "valibot";
import { STORE_FORMAT, STORE_NAMES } from "./constants.ts";
import { createFileAtomically, readSmallFile } from "./durable-files.ts";
import { printable, StoreError } from "./errors.ts";

/** How snapshots share what did not change. Later modes (reflink, btrfs subvolume) get words of their own. */
export type SnapshotMode = (typeof MODES)[number];

const MODES = ["hardlink"] as const;

const FormatSchema = v.object({ format: v.number() });
const StoreFileSchema = v.object({
  format: v.literal(STORE_FORMAT),
  mode: v.string(),
  createdAt: v.string(),
});

/** `store.json`. */
export interface StoreFile {
  readonly format: typeof STORE_FORMAT;
  readonly mode: SnapshotMode;
  /** ISO 8601. */
  readonly createdAt: string;
}

/** Reads `store.json`; undefined when there is none. Throws `ERR_STORE_FORMAT` for what this version does not know. */
export function readStoreFile(root: DirectoryHandle, path: string): StoreFile | undefined {
  const content = readSmallFile(root, STORE_NAMES.store);
  if (content === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(content.toString());
  } catch (cause) {
    throw new StoreError("ERR_STORE_CORRUPT", `${path}/${STORE_NAMES.store} is no JSON`, {
      path,
      cause,
    });
  }
  const format = v.safeParse(FormatSchema, value);
  if (!format.success) {
    throw new StoreError("ERR_STORE_CORRUPT", `${path}/${STORE_NAMES.store} names no format`, {
      path,
    });
  }
  if (format.output.format !== STORE_FORMAT) {
    throw new StoreError(
      "ERR_STORE_FORMAT",
      `${path} is a store of format ${format.output.format}; this version knows format ${STORE_FORMAT}`,
      { path },
    );
  }
  const parsed = v.safeParse(StoreFileSchema, value);
  if (!parsed.success) {
    throw new StoreError("ERR_STORE_CORRUPT", `${path}/${STORE_NAMES.store} is damaged`, { path });
  }
  const { createdAt } = parsed.output;
  const mode = MODES.find((word) => word === parsed.output.mode);
  if (mode === undefined) {
    throw new StoreError(
      "ERR_STORE_FORMAT",
      `${path} is a store of mode "${printable(parsed.output.mode, 40)}"; this version knows ${MODES.join(", ")}`,
      { path },
    );
  }
  return { format: STORE_FORMAT, mode, createdAt };
}

/** Writes `store.json` unless somebody else was quicker. */
export function createStoreFile(root: DirectoryHandle, mode: SnapshotMode, now: Date): void {
  const file: StoreFile = { format: STORE_FORMAT, mode, createdAt: now.toISOString() };
  createFileAtomically(root, Buffer.from(STORE_NAMES.store), `${JSON.stringify(file)}\n`);
  root.sync();
}
