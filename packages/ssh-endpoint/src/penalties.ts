import { isAdmittedFrom } from "@dialhome/authorized-keys";
import { sourceOf } from "./admission.ts";

/** What a source did on a connection that never came to a login. */
export type Offence =
  /** It tried to log in, and failed. */
  | "authFailure"
  /** It was still there when the time for the login was over. */
  | "graceExceeded"
  /** It hung up without a try. */
  | "noAuth";

/** How sources that misbehave are kept away for a while (sshd_config PerSourcePenalties). */
export interface PenaltyOptions {
  /** For a connection that tried to log in and failed, ms. @defaultValue 5_000 */
  readonly authFailureMs?: number;
  /** For one that did not log in within the grace time, ms. @defaultValue 10_000 */
  readonly graceExceededMs?: number;
  /** For one that hung up without a try, ms. @defaultValue 1_000 */
  readonly noAuthMs?: number;
  /** Penalties add up; below this sum a source is still let in, ms. @defaultValue 15_000 */
  readonly leastMs?: number;
  /** No source is kept away longer, ms. @defaultValue 600_000 */
  readonly mostMs?: number;
  /** Addresses that get none, as in `from=` of authorized_keys: `10.0.0.0/8,192.0.2.7`. @defaultValue none */
  readonly exempt?: string;
}

/** Sources that are remembered; beyond, the one that is known longest is forgotten. */
const SOURCES = 65_536;

interface Offender {
  /** ms on the clock that was handed in. */
  until: number;
  isBarred: boolean;
}

/** Remembers offences by source (an IPv4 address or an IPv6 /64) and says who is kept away. Knows no socket. */
export class Penalties {
  readonly #options: Required<PenaltyOptions>;
  readonly #now: () => number;
  readonly #records = new Map<string, Offender>();

  constructor(options: Required<PenaltyOptions>, now: () => number = () => performance.now()) {
    this.#options = options;
    this.#now = now;
  }

  /** Sources that are remembered. */
  get size(): number {
    return this.#records.size;
  }

  /** Whether connections from an address are dropped now. */
  isBarred(address: string): boolean {
    if (this.#records.size === 0) return false;
    const source = sourceOf(address);
    const record = this.#records.get(source);
    if (record === undefined) return false;
    if (record.until > this.#now()) return record.isBarred;
    this.#records.delete(source);
    return false;
  }

  /** Adds a penalty. */
  punish(address: string, offence: Offence): void {
    const { exempt, leastMs, mostMs } = this.#options;
    const penalty = this.#options[`${offence}Ms`];
    if (penalty === 0 || (exempt !== "" && isAdmittedFrom(exempt, address))) return;
    const source = sourceOf(address);
    const now = this.#now();
    const before = this.#records.get(source);
    const isFresh = before === undefined || before.until <= now;
    const until = Math.min((isFresh ? now : before.until) + penalty, now + mostMs);
    // Once kept away, a source stays so until all is atoned for.
    const isBarred = until - now >= leastMs || (!isFresh && before.isBarred);
    this.#records.delete(source);
    this.#records.set(source, { until, isBarred });
    if (this.#records.size <= SOURCES) return;
    const [oldest] = this.#records.keys();
    if (oldest !== undefined) this.#records.delete(oldest);
  }
}
