import * as fs from "node:fs";
import type { DirectoryHandle } from "@dialhome/posix-fs";
import { errorCode } from "@dialhome/posix-fs";
import * as v from "valibot";
import { SMALL_FILE_BYTES_LIMIT, STORE_NAMES } from "./constants.ts";
import { writeFully } from "./durable-files.ts";
import { type ManifestTotals, TotalsSchema } from "./manifest-frame.ts";
import type { SnapshotMeta } from "./snapshot-meta.ts";
import { TimeSlice } from "./time-slice.ts";

const { O_APPEND, O_CREAT, O_RDWR } = fs.constants;
const NAME = Buffer.from(STORE_NAMES.catalog);
const CHUNK_BYTES = 1024 * 1024;

/** What the catalogue tells of a published snapshot. */
export interface CatalogRecord {
  readonly event: "published";
  readonly keyId: string;
  readonly id: string;
  /** The machine's name at that time. */
  readonly name: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly exitCode: 0 | 23 | 24;
  /** How many there were. */
  readonly warnings: number;
  readonly totals: ManifestTotals;
}

const PublishedSchema: v.GenericSchema<unknown, CatalogRecord> = v.object({
  event: v.literal("published"),
  keyId: v.string(),
  id: v.string(),
  name: v.string(),
  startedAt: v.string(),
  finishedAt: v.string(),
  exitCode: v.picklist([0, 23, 24]),
  warnings: v.number(),
  totals: TotalsSchema,
});

const RemovedSchema = v.object({
  event: v.literal("removed"),
  keyId: v.string(),
  id: v.string(),
});

const RecordSchema = v.union([PublishedSchema, RemovedSchema]);

/** The record of a snapshot's `meta.json`. */
export function catalogRecordOf(meta: SnapshotMeta): CatalogRecord {
  return {
    event: "published",
    keyId: meta.keyId,
    id: meta.id,
    name: meta.name,
    startedAt: meta.startedAt,
    finishedAt: meta.finishedAt,
    exitCode: meta.exitCode,
    warnings: meta.warnings.length + meta.warningsDropped,
    totals: meta.totals,
  };
}

/**
 * `catalog.ndjson`: one line for each snapshot that was published or removed, so that a list needs no file of each.
 * It is a copy: the directories are the truth, and whatever is missing here is read from their `meta.json`.
 * Lines that do not read (a write that a power cut tore, a later version's) are passed over.
 */
export class Catalog {
  readonly #root: DirectoryHandle;

  constructor(root: DirectoryHandle) {
    this.#root = root;
  }

  /** All published snapshots that were not removed, by `keyId/id`. */
  async read(): Promise<Map<string, CatalogRecord>> {
    const records = new Map<string, CatalogRecord>();
    const slice = new TimeSlice();
    for (const line of this.#lines()) {
      if (slice.due()) await slice.pause();
      const record = parseRecord(line);
      if (record === undefined) continue;
      const key = `${record.keyId}/${record.id}`;
      if (record.event === "published") records.set(key, record);
      else records.delete(key);
    }
    return records;
  }

  /** Adds a published snapshot; on the disk when this returns. */
  published(record: CatalogRecord): void {
    this.#append(record);
  }

  /** Notes that a snapshot is gone; on the disk when this returns. */
  removed(keyId: string, id: string): void {
    this.#append({ event: "removed", keyId, id });
  }

  #append(record: v.InferOutput<typeof RecordSchema>): void {
    const fd = this.#root.openFile(NAME, O_CREAT | O_RDWR | O_APPEND, 0o600);
    try {
      const { size } = fs.fstatSync(fd);
      const last = Buffer.alloc(1);
      // A torn last line must not swallow the next one. One write with O_APPEND is not mixed with another process'.
      const torn = size > 0 && fs.readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a;
      writeFully(fd, Buffer.from(`${torn ? "\n" : ""}${JSON.stringify(record)}\n`));
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  }

  *#lines(): Generator<string, void> {
    let fd: number;
    try {
      fd = this.#root.openFile(NAME);
    } catch (error) {
      if (errorCode(error) === "ENOENT") return;
      throw error;
    }
    try {
      const chunk = Buffer.alloc(CHUNK_BYTES);
      let rest = "";
      for (;;) {
        const count = fs.readSync(fd, chunk, 0, chunk.length, null);
        if (count === 0) break;
        // latin1 keeps bytes apart that belong to one character until the line is whole.
        const lines = (rest + chunk.toString("latin1", 0, count)).split("\n");
        rest = lines.pop() ?? "";
        if (rest.length > SMALL_FILE_BYTES_LIMIT) rest = "";
        yield* lines;
      }
    } finally {
      fs.closeSync(fd);
    }
  }
}

function parseRecord(line: string): v.InferOutput<typeof RecordSchema> | undefined {
  try {
    const parsed = v.safeParse(RecordSchema, JSON.parse(Buffer.from(line, "latin1").toString()));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
