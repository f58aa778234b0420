/** A value that changes, for any number of readers. Each reader holds one value at most: a slow one misses some, never the latest. */
export class StateStream<T> {
  #latest: T;
  #isOver = false;
  readonly #readers = new Set<() => void>();

  constructor(first: T) {
    this.#latest = first;
  }

  set(value: T): void {
    this.#latest = value;
    this.#wake();
  }

  /** No more changes: readers end after the latest value. */
  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  async *read(): AsyncIterableIterator<T> {
    let seen: T | undefined;
    for (;;) {
      const latest = this.#latest;
      if (latest !== seen) {
        seen = latest;
        yield latest;
        continue;
      }
      if (this.#isOver) return;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#readers.delete(wake);
          resolve();
        };
        this.#readers.add(wake);
      });
    }
  }

  #wake(): void {
    for (const wake of this.#readers) wake();
  }
}
