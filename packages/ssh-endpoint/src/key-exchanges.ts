import { BOUNDS } from "./constants.ts";
import { SshEndpointError } from "./errors.ts";

/** When new keys are agreed on, and with what. */
export interface KeyExchangeOptions {
  readonly rekeyBytes: number;
  readonly rekeyIntervalMs: number;
  readonly rekeyTimeoutMs: number;
  readonly isRunning: () => boolean;
  /** Sends the first message of an exchange. */
  readonly begin: () => void;
  readonly onTimeout: (error: SshEndpointError) => void;
  /** The peer asks for new keys all the time, which keeps others from being served. */
  readonly onTooMany: () => void;
}

/** Starts key exchanges by traffic and by time (RFC 4253 §9, RFC 4344 §3), which ssh2 never does, and bounds how long one takes. */
export class KeyExchanges {
  readonly #options: KeyExchangeOptions;
  readonly #timer: NodeJS.Timeout;
  #deadline: NodeJS.Timeout | undefined;
  #bytes = 0;
  #packets = 0;
  #done = 0;
  #endedAt: number;
  /** Exchanges in a row that the peer started soon after the last one, with nothing sent in between. */
  #early = 0;

  constructor(options: KeyExchangeOptions) {
    this.#options = options;
    this.#endedAt = performance.now();
    this.#timer = setInterval(() => this.start(), options.rekeyIntervalMs);
  }

  /** Exchanges so far, after the first. */
  get done(): number {
    return this.#done;
  }

  /** A packet with that much data went either way. */
  count(bytes: number): void {
    this.#bytes += bytes;
    this.#packets++;
    if (this.#bytes > this.#options.rekeyBytes || this.#packets > BOUNDS.rekeyPackets) this.start();
  }

  /** Starts an exchange, unless one runs. */
  start(): void {
    if (this.#options.isRunning()) return;
    this.#options.begin();
    this.#deadline ??= setTimeout(() => {
      this.#options.onTimeout(
        new SshEndpointError("ERR_SSH_ENDPOINT_TIMEOUT", "the peer did not finish a key exchange"),
      );
    }, this.#options.rekeyTimeoutMs);
  }

  /** An exchange ended, whoever started it. */
  ended(): void {
    const now = performance.now();
    const isOurs = this.#deadline !== undefined;
    const isEarly = this.#packets === 0 && now - this.#endedAt < BOUNDS.peerRekeyMs;
    this.#early = isEarly && !isOurs ? this.#early + 1 : 0;
    this.#endedAt = now;
    this.#done++;
    this.#bytes = 0;
    this.#packets = 0;
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
    if (this.#early > BOUNDS.peerRekeysEarly) this.#options.onTooMany();
  }

  stop(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#deadline);
  }
}
