import * as fs from "node:fs";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { type DirectoryHandle, errorCode } from "@dialhome/posix-fs";
import { MANIFEST_LINE_LIMIT } from "./constants.ts";
import {
  corruptManifest,
  decodeManifestEntry,
  type ManifestEntry,
  parseManifestLine,
} from "./manifest-entry.ts";
import {
  decodeManifestHeader,
  decodeManifestTrailer,
  type ManifestHeader,
  type ManifestTotals,
} from "./manifest-frame.ts";
import { EntryCounter } from "./manifest-writer.ts";

const INFLATED_CHUNK_BYTES = 256 * 1024;
const NEWLINE = 0x0a;

/**
 * Reads a manifest from its beginning to its end, in batches of entries. Memory is one chunk of 256 KiB and its entries.
 * Throws `ERR_STORE_CORRUPT` for damage of any kind: a missing file, a bad checksum, a wrong line, a missing or wrong end.
 */
export class ManifestReader {
  readonly #directory: DirectoryHandle;
  readonly #name: string;
  #header: ManifestHeader | undefined;
  #totals: ManifestTotals | undefined;

  constructor(directory: DirectoryHandle, name: string) {
    this.#directory = directory;
    this.#name = name;
  }

  /** First line; there once the first batch has come. */
  get header(): ManifestHeader {
    if (this.#header === undefined) throw new Error("the manifest has not been read yet");
    return this.#header;
  }

  /** Last line; there once all batches have come. */
  get totals(): ManifestTotals {
    if (this.#totals === undefined) throw new Error("the manifest has not been read yet");
    return this.#totals;
  }

  /**
   * The entries, some hundreds at once (a promise for each would cost more than its line).
   *
   * @param take - is offered each entry's line, from `start` to `end` of some bytes; where it says true, it has taken what it wants, and
   * the line is not decoded
   */
  async *batches(
    take: (bytes: Buffer, start: number, end: number) => boolean = () => false,
  ): AsyncGenerator<readonly ManifestEntry[], void> {
    const counter = new EntryCounter();
    let number = 0;
    let taken = 0;
    for await (const chunk of this.#chunks()) {
      const entries: ManifestEntry[] = [];
      for (let start = 0, end = 0; end < chunk.length; start = end + 1) {
        end = chunk.indexOf(NEWLINE, start);
        if (end < 0) end = chunk.length;
        number += 1;
        if (number > 1 && this.#totals === undefined && take(chunk, start, end)) {
          taken += 1;
          continue;
        }
        const text = chunk.toString("utf8", start, end);
        if (number === 1) {
          this.#header = decodeManifestHeader(text);
          continue;
        }
        if (this.#totals !== undefined) throw corruptManifest(`line ${number} comes after the end`);
        const fields = parseManifestLine(text, number);
        if (fields["end"] === true) {
          this.#end(decodeManifestTrailer(fields), counter.totals, taken);
          continue;
        }
        const entry = decodeManifestEntry(fields, number);
        counter.add(entry);
        entries.push(entry);
      }
      yield entries;
    }
    if (this.#totals === undefined) throw corruptManifest("it ends early");
  }

  /** The entries one by one. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ManifestEntry, void> {
    for await (const batch of this.batches()) yield* batch;
  }

  /** Of entries whose lines were `taken` only the number is known. */
  #end(told: ManifestTotals | undefined, counted: ManifestTotals, taken: number): void {
    if (told === undefined) throw corruptManifest("its last line is wrong");
    const entries = counted.entries + taken;
    if (
      told.entries !== entries ||
      (taken === 0 && JSON.stringify(told) !== JSON.stringify(counted))
    ) {
      throw corruptManifest(
        `it tells of ${told.entries} entries but holds ${entries}, or their sums differ`,
      );
    }
    this.#totals = told;
  }

  /** Whole lines, many at once, without the newline of the last. */
  async *#chunks(): AsyncGenerator<Buffer, void> {
    let rest: Buffer = Buffer.alloc(0);
    for await (const chunk of this.#inflated()) {
      const last = chunk.lastIndexOf(NEWLINE);
      if (last < 0) {
        rest = Buffer.concat([rest, chunk]);
        if (rest.length > MANIFEST_LINE_LIMIT * 4)
          throw corruptManifest("it has a line without end");
        continue;
      }
      const whole = Buffer.concat([rest, chunk.subarray(0, last)]);
      rest = Buffer.from(chunk.subarray(last + 1));
      yield whole;
    }
    if (rest.length > 0) throw corruptManifest("its last line is cut off");
  }

  async *#inflated(): AsyncGenerator<Buffer, void> {
    const fd = this.#openFile();
    const gunzip = createGunzip({ chunkSize: INFLATED_CHUNK_BYTES });
    // Ends the file when the reader stops early, and gives its errors to the reader.
    pipeline(
      fs.createReadStream("", { fd, highWaterMark: INFLATED_CHUNK_BYTES }),
      gunzip,
      () => {},
    );
    try {
      for await (const chunk of gunzip) yield asBuffer(chunk);
    } catch (error) {
      const code = errorCode(error) ?? "";
      if (code.startsWith("Z_")) throw corruptManifest("its compressed data is damaged", error);
      throw error;
    }
  }

  #openFile(): number {
    try {
      return this.#directory.openFile(Buffer.from(this.#name));
    } catch (error) {
      if (errorCode(error) === "ENOENT") throw corruptManifest("it is missing", error);
      throw error;
    }
  }
}

function asBuffer(chunk: unknown): Buffer {
  if (!Buffer.isBuffer(chunk)) throw new Error("a stream of bytes gave something else");
  return chunk;
}
