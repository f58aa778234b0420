import type { DirectoryHandle } from "@dialhome/posix-fs";
import { LinkedAbort } from "@dialhome/rsync-protocol";
import { DigestTable } from "./digest-table.ts";
import { StoreError } from "./errors.ts";

/** Reads the digests of a published snapshot while other things go on. Disposed of, it ends early. */
export class DigestLoading implements AsyncDisposable {
  /** Complete when {@link ready} has resolved. */
  readonly table: DigestTable;
  /** Rejects when the manifest cannot be read, or with the signal's reason. A damaged one leaves the table empty. */
  readonly ready: Promise<void>;
  readonly #stop: LinkedAbort;

  /**
   * @param machine - used until this returns
   * @param id - the snapshot
   * @param files - how many it holds
   */
  constructor(machine: DirectoryHandle, id: string, files: number, signal?: AbortSignal) {
    this.table = new DigestTable(Math.min(files + 1, 1 << 24));
    this.#stop = new LinkedAbort(signal);
    this.ready = this.#load(machine, id, this.#stop.signal).finally(() => {
      this.#stop[Symbol.dispose]();
    });
    // Whoever needs the table awaits `ready`; a pull that ends before does not.
    this.ready.catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.ready.catch(() => undefined);
  }

  async #load(machine: DirectoryHandle, id: string, signal: AbortSignal): Promise<void> {
    using snapshot = machine.openDirectory(Buffer.from(id));
    try {
      await this.table.load(snapshot, signal);
    } catch (error) {
      if (!(error instanceof StoreError && error.code === "ERR_STORE_CORRUPT")) throw error;
      // Its files can still be shared; their digests are computed again.
      this.table.clear();
    }
  }
}
