import type { FileEntry } from "@dialhome/rsync-protocol";

/** Files that came whole and wait for the end of the transfer in their partial directories (`--delay-updates`), in their order. */
export class DelayedUpdates {
  readonly #entries = new Map<string, FileEntry>();

  add(entry: FileEntry): void {
    this.#entries.set(entry.name, entry);
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** All of them, once. */
  take(): readonly FileEntry[] {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    return entries;
  }
}
