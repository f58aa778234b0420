/** Sends answers again, each at its times, until its device asks anew from the same place or the end comes. */
export class Repeater {
  readonly #pausesMs: readonly number[];
  readonly #most: number;
  readonly #timers = new Map<string, NodeJS.Timeout>();

  /**
   * @param pausesMs - before each copy
   * @param most - answers that are repeated at once
   */
  constructor(pausesMs: readonly number[], most: number) {
    this.#pausesMs = pausesMs;
    this.#most = most;
  }

  /** Answers that are being repeated. */
  get size(): number {
    return this.#timers.size;
  }

  /**
   * @param place - of a device; what is repeated for it so far is not any longer
   * @param send - sends one copy
   */
  repeat(place: string, send: () => void): void {
    this.forget(place);
    if (this.#timers.size < this.#most) this.#wait(place, send, 0);
  }

  forget(place: string): void {
    clearTimeout(this.#timers.get(place));
    this.#timers.delete(place);
  }

  /** Ends all of it. */
  clear(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  #wait(place: string, send: () => void, copy: number): void {
    const pauseMs = this.#pausesMs[copy];
    if (pauseMs === undefined) {
      this.#timers.delete(place);
      return;
    }
    const timer = setTimeout(() => {
      send();
      this.#wait(place, send, copy + 1);
    }, pauseMs);
    this.#timers.set(place, timer);
  }
}
