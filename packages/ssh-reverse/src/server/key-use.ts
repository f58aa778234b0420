import { SERVER } from "./constants.ts";
import { RateLimit } from "./rate-limit.ts";

/** How much one key may use, over all its connections. */
export interface KeyLimits {
  /** Connections. At the bound the longest silent one of the same device makes room; without one the newcomer is refused. @defaultValue 64 */
  readonly connections?: number;
  /** Forwardings. @defaultValue 64 */
  readonly forwards?: number;
  /** Connections through the forwardings, at once. @defaultValue 512 */
  readonly channels?: number;
  /** Bytes per second through the listeners, in each direction. @defaultValue Infinity */
  readonly bytesPerSecond?: number;
}

/** What one key uses now. */
interface Use {
  forwards: number;
  channels: number;
  readonly fromListener: RateLimit;
  readonly toListener: RateLimit;
}

/** Counts by key, and says no at the bounds. Knows no socket. */
export class KeyUse {
  readonly limits: Required<KeyLimits>;
  readonly #byKey = new Map<string, Use>();

  constructor(limits: KeyLimits) {
    this.limits = {
      connections: limits.connections ?? SERVER.connectionsPerKey,
      forwards: limits.forwards ?? SERVER.forwardsPerKey,
      channels: limits.channels ?? SERVER.channelsPerKey,
      bytesPerSecond: limits.bytesPerSecond ?? Number.POSITIVE_INFINITY,
    };
  }

  /** Keys that use something. */
  get size(): number {
    return this.#byKey.size;
  }

  /**
   * Counts one more. @returns what counts it off again, to be called once; undefined at the bound
   */
  enter(fingerprint: string, what: "forwards" | "channels"): (() => void) | undefined {
    const use = this.#useOf(fingerprint);
    if (use[what] >= this.limits[what]) return undefined;
    use[what]++;
    this.#byKey.set(fingerprint, use);
    let isIn = true;
    return () => {
      if (!isIn) return;
      isIn = false;
      use[what]--;
      if (use.forwards === 0 && use.channels === 0) this.#byKey.delete(fingerprint);
    };
  }

  /** What the bytes of a connection through a listener go through; undefined where there is no bound. */
  rates(fingerprint: string): Pick<Use, "fromListener" | "toListener"> | undefined {
    return Number.isFinite(this.limits.bytesPerSecond) ? this.#useOf(fingerprint) : undefined;
  }

  #useOf(fingerprint: string): Use {
    const rate = this.limits.bytesPerSecond;
    return (
      this.#byKey.get(fingerprint) ?? {
        forwards: 0,
        channels: 0,
        fromListener: new RateLimit(rate),
        toListener: new RateLimit(rate),
      }
    );
  }
}
