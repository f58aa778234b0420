import { IO_ERROR, RsyncError } from "@dialhome/rsync-protocol";
import type { DeletedEntry, PullOptions } from "./pull-options.ts";
import { countKind, type Tally } from "./tally.ts";

/** Counts what is deleted, tells it, and keeps to `--max-delete`. */
export class DeletionCount {
  readonly #tally: Tally;
  readonly #options: Pick<PullOptions, "maxDelete" | "onDelete">;
  #count = 0;
  #skipped = 0;

  constructor(tally: Tally, options: Pick<PullOptions, "maxDelete" | "onDelete">) {
    this.#tally = tally;
    this.#options = options;
  }

  /** Whether one more may be deleted; that it may not is counted. */
  mayDelete(): boolean {
    if (this.#count < (this.#options.maxDelete ?? Number.POSITIVE_INFINITY)) return true;
    this.#skipped++;
    return false;
  }

  /** One was deleted. */
  deleted(entry: DeletedEntry, stat: { readonly mode: number }): void {
    countKind(this.#tally.deleted, stat);
    this.#count++;
    try {
      this.#options.onDelete?.(entry);
    } catch (error) {
      const text = `stopped by the caller at "${entry.name}"`;
      throw new RsyncError("ERR_RSYNC_ABORTED", text, { cause: error });
    }
  }

  /** A directory stays, because something in it does. */
  notEmpty(path: string): void {
    const text = `cannot delete non-empty directory: ${path}`;
    this.#tally.message({ level: "info", text, fromPeer: false });
  }

  /** After the last: says what `--max-delete` has kept. */
  finish(): void {
    if (this.#skipped === 0) return;
    const text = `Deletions stopped due to --max-delete limit (${this.#skipped} skipped)`;
    this.#tally.message({ level: "warning", text, fromPeer: false });
    this.#tally.ioError |= IO_ERROR.DELETE_LIMIT;
  }
}
