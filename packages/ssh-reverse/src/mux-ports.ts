import type { MuxError, Negotiated, NegotiateOptions } from "@dialhome/mux-protocol";

/** How a tunnel asks for its ports before it connects. */
export interface TunnelMux extends Omit<NegotiateOptions, "host" | "forwardings" | "signal"> {
  /** Whom to ask. @defaultValue the tunnel's host */
  readonly host?: string;
  /** What becomes of the asking. Called synchronously; must not throw. */
  readonly onEvent?: (event: TunnelMuxEvent) => void;
}

/** What becomes of asking for ports. */
export type TunnelMuxEvent =
  | { readonly is: "asking"; readonly host: string }
  | { readonly is: "granted"; readonly answer: Negotiated }
  /** Nobody answered; the last answer is used once more. */
  | { readonly is: "kept"; readonly answer: Negotiated; readonly error: MuxError };

/** Ports to connect with. */
export interface MuxPlan {
  readonly answer: Negotiated;
  /** The answer is of this try. */
  readonly isFresh: boolean;
}

/** After these the last answer may still be right: the mux server is not to be reached, which does not say that SSH is not. */
const SILENCE: ReadonlySet<string> = new Set(["ERR_MUX_TIMEOUT", "ERR_MUX_UNAVAILABLE"]);

/** The ports of a tunnel: asked for when there are none, and anew when a try with them came to nothing. */
export class MuxPorts {
  readonly #options: TunnelMux & { readonly host: string };
  readonly #forwardings: number;
  #last: Negotiated | undefined;
  /** The last try with the ports failed, or there was none. */
  #isDoubted = true;

  constructor(options: TunnelMux & { readonly host: string }, forwardings: number) {
    this.#options = options;
    this.#forwardings = forwardings;
  }

  /** The ports for the next try. @throws MuxError; the signal's reason */
  async next(signal: AbortSignal): Promise<MuxPlan> {
    const last = this.#last;
    if (last !== undefined && !this.#isDoubted) return { answer: last, isFresh: false };
    const { onEvent, ...options } = this.#options;
    onEvent?.({ is: "asking", host: options.host });
    // Not before it is needed: most tunnels know their port.
    const { MuxError: KnownError, negotiate } = await import("@dialhome/mux-protocol");
    const clock = last === undefined ? {} : { clockOffsetMs: last.clockOffsetMs };
    try {
      const forwardings = this.#forwardings;
      const answer = await negotiate({ ...options, ...clock, forwardings, signal });
      this.#last = answer;
      onEvent?.({ is: "granted", answer });
      return { answer, isFresh: true };
    } catch (error) {
      const isSilence = error instanceof KnownError && SILENCE.has(error.code);
      if (last === undefined || !isSilence) throw error;
      onEvent?.({ is: "kept", answer: last, error });
      return { answer: last, isFresh: false };
    }
  }

  /** The tunnel was up with them: after its loss they are tried first. */
  proven(): void {
    this.#isDoubted = false;
  }

  /** A try with them came to nothing. */
  doubt(): void {
    this.#isDoubted = true;
  }
}
