import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { gzipSync } from "node:zlib";
import type { DirectoryHandle } from "@dialhome/posix-fs";
import { FILE_TYPE } from "@dialhome/posix-fs";
import { MANIFEST_BLOCK_BYTES, MANIFEST_GZIP_LEVEL } from "./constants.ts";
import { writeFully } from "./durable-files.ts";
import { LineBuffer } from "./line-buffer.ts";
import { type ManifestEntry, writeManifestEntry } from "./manifest-entry.ts";
import {
  encodeManifestHeader,
  encodeManifestTrailer,
  type ManifestHeader,
  type ManifestTotals,
} from "./manifest-frame.ts";

const { O_CREAT, O_EXCL, O_WRONLY } = fs.constants;

type MutableTotals = { -readonly [K in keyof ManifestTotals]: number };

/** Counts entries as a manifest's last line tells them. */
export class EntryCounter {
  readonly #totals: MutableTotals = {
    entries: 0,
    files: 0,
    directories: 0,
    symlinks: 0,
    specials: 0,
    bytes: 0,
    newFiles: 0,
    newBytes: 0,
  };

  get totals(): ManifestTotals {
    return { ...this.#totals };
  }

  add(entry: ManifestEntry): void {
    const totals = this.#totals;
    totals.entries += 1;
    switch (entry.mode & FILE_TYPE.MASK) {
      case FILE_TYPE.REGULAR:
        totals.files += 1;
        if (entry.hardLinkTo === undefined) totals.bytes += entry.size;
        if (entry.outcome === "new" || entry.outcome === "updated") {
          totals.newFiles += 1;
          totals.newBytes += entry.size;
        }
        break;
      case FILE_TYPE.DIRECTORY:
        totals.directories += 1;
        break;
      case FILE_TYPE.SYMLINK:
        totals.symlinks += 1;
        break;
      default:
        totals.specials += 1;
    }
  }
}

/**
 * Writes a manifest: gzip of one JSON line per entry. Lines are compressed in blocks, each a gzip member of its own
 * (RFC 1952 §2.2 joins them), so memory stays flat whatever the caller's speed, and a cut costs one block.
 */
export class ManifestWriter {
  readonly #fd: number;
  readonly #hash = createHash("sha256");
  readonly #counter = new EntryCounter();
  readonly #lines = new LineBuffer();
  #open = true;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Creates the file, which must not exist. */
  static create(directory: DirectoryHandle, name: string, header: ManifestHeader): ManifestWriter {
    const fd = directory.openFile(Buffer.from(name), O_CREAT | O_EXCL | O_WRONLY, 0o600);
    const writer = new ManifestWriter(fd);
    writer.#lines.text(encodeManifestHeader(header));
    writer.#endLine();
    return writer;
  }

  get totals(): ManifestTotals {
    return this.#counter.totals;
  }

  /**
   * Adds an entry. Throws `ERR_STORE_LIMIT` for one that is not allowed, a system error when the disk is full.
   *
   * @param digest - of its content, where that was found elsewhere
   */
  add(entry: ManifestEntry, digest: Uint8Array | undefined = entry.digest): void {
    writeManifestEntry(this.#lines, entry, digest);
    this.#counter.add(entry);
    this.#endLine();
  }

  /** Writes the last line, brings all to the disk and closes. Gives the SHA-256 of the file in hex. */
  finish(): { readonly sha256: string; readonly totals: ManifestTotals } {
    const { totals } = this;
    try {
      this.#lines.text(encodeManifestTrailer(totals));
      this.#endLine();
      this.#flush();
      fs.fsyncSync(this.#fd);
    } finally {
      this.close();
    }
    return { sha256: this.#hash.digest("hex"), totals };
  }

  /** Closes without a last line; what was added so far is written if it can be. Once more does nothing. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    try {
      this.#flush();
    } finally {
      fs.closeSync(this.#fd);
    }
  }

  #endLine(): void {
    if (!this.#open) throw new Error("the manifest is closed");
    this.#lines.endLine();
    if (this.#lines.length >= MANIFEST_BLOCK_BYTES) this.#flush();
  }

  #flush(): void {
    if (this.#lines.length === 0) return;
    const block = gzipSync(this.#lines.take(), { level: MANIFEST_GZIP_LEVEL });
    this.#hash.update(block);
    writeFully(this.#fd, block);
  }
}
