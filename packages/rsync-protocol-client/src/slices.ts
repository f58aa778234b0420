import { setImmediate as nextTurn } from "node:timers/promises";

/** How long synchronous file work may hold the event loop, in ms: keepalives and other connections live in between. */
const SLICE_MS = 10;

/** Tells when synchronous work has run long enough. */
export class Slices {
  #end = performance.now() + SLICE_MS;

  /** Begins a slice, which may be of another length. */
  begin(ms: number = SLICE_MS): void {
    this.#end = performance.now() + ms;
  }

  /** True when it is time to {@link rest}. */
  get over(): boolean {
    return performance.now() >= this.#end;
  }

  /** Gives the event loop a turn and begins the next slice. */
  async rest(): Promise<void> {
    await nextTurn();
    this.begin();
  }
}
