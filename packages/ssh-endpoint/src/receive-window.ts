import { BOUNDS } from "./constants.ts";

/**
 * The receive window of a channel (RFC 4254 §5.2): what the peer may send before it is given more, and how far it grows.
 *
 * It doubles while it is the window that holds the peer back: when all of it is used up within two round trips. A reader that is
 * slower than the way to the peer gains nothing by more than lies unread already, which would only take memory. The round trip is
 * the shortest time from a grant to the first byte that was only allowed by it.
 */
export class ReceiveWindow {
  readonly #now: () => number;
  #target: number;
  /** What the peer may still send. */
  #left: number;
  /** Sums of all bytes that were allowed and that came. */
  #granted: number;
  #received = 0;
  /** A grant whose effect is waited for: when it was made, and what the peer could send without it. */
  #probe: { readonly at: number; readonly limit: number } | undefined;
  #roundTripMs = 0;
  /** Bytes that were consumed since {@link #since}. */
  #consumed = 0;
  #since: number;

  /** @param now - ms on a clock that only goes forward */
  constructor(bytes: number, now: () => number = () => performance.now()) {
    this.#target = bytes;
    this.#left = bytes;
    this.#granted = bytes;
    this.#now = now;
    this.#since = now();
  }

  /** What may lie here unread, bytes. */
  get target(): number {
    return this.#target;
  }

  /** What the peer may send now, bytes. */
  get left(): number {
    return this.#left;
  }

  /** Bytes have come, no more than {@link left}. */
  receive(bytes: number): void {
    this.#left -= bytes;
    this.#received += bytes;
    const probe = this.#probe;
    if (probe === undefined || this.#received <= probe.limit) return;
    this.#probe = undefined;
    const took = this.#now() - probe.at;
    if (this.#roundTripMs === 0 || took < this.#roundTripMs) this.#roundTripMs = took;
  }

  /**
   * How much the peer is to be given for what was consumed; 0 while it is little, a quarter of a small window, since each grant is
   * a packet and a system call. Of a large one it is less: what waits to be granted is missing on a long way.
   *
   * @param unread - bytes that came and were not consumed yet
   * @param grow - gives as many of so many bytes as the window may grow by
   */
  grant(unread: number, grow: (wanted: number) => number): number {
    const free = this.#target - this.#left - unread;
    if (free < Math.min(this.#target / 4, BOUNDS.creditBytes)) return 0;
    const now = this.#now();
    this.#consumed += free;
    if (this.#consumed >= this.#target) {
      if (now - this.#since < 2 * this.#roundTripMs) this.#target += grow(this.#target);
      this.#consumed = 0;
      this.#since = now;
    }
    const amount = this.#target - this.#left - unread;
    this.#probe ??= { at: now, limit: this.#granted };
    this.#left += amount;
    this.#granted += amount;
    return amount;
  }
}
