import { EXIT, RsyncError, type Wire } from "@dialhome/rsync-protocol";

/** Longest time that a timer of Node takes, in ms. */
const LONGEST_MS = 2 ** 31 - 1;

/** Ends the session at a time (`--stop-at`), with rsync(1)'s exit code 30. Disposed, it does nothing more. */
export class StopTime implements Disposable {
  readonly #wire: Pick<Wire, "fail">;
  readonly #atMs: number;
  #timer: NodeJS.Timeout | undefined;

  /** @param atMs - ms since 1970; undefined for never */
  constructor(wire: Pick<Wire, "fail">, atMs: number | undefined) {
    this.#wire = wire;
    this.#atMs = atMs ?? Number.POSITIVE_INFINITY;
    if (atMs !== undefined) this.#wait();
  }

  #wait(): void {
    const leftMs = this.#atMs - Date.now();
    if (leftMs > 0) {
      this.#timer = setTimeout(() => this.#wait(), Math.min(leftMs, LONGEST_MS));
      return;
    }
    const options = { exitCode: EXIT.TIMEOUT };
    this.#wire.fail(new RsyncError("ERR_RSYNC_ABORTED", "stopping at requested limit", options));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
