import type { MuxError } from "../mux-error.ts";
import type { Endpoint } from "../version-2/answer-items.ts";

/** What a server granted. */
export interface Grant {
  /** The first forwarding's first. */
  readonly ports: readonly number[];
  /** Where the SSH server listens. */
  readonly sshPort: number;
  /** Host keys of the SSH server, as `SHA256:…`; none in version 1, or where the server tells none. */
  readonly fingerprints: readonly string[];
  /** How this device looks from the server; not in version 1. */
  readonly address?: Endpoint;
  /** The server's clock minus this one's, ms; 0 in version 1. For the next {@link negotiate}. */
  readonly clockOffsetMs: number;
}

/** What a packet that came in means. */
export type Heard =
  /** Nothing: it is not for us. */
  | { readonly is: "noise" }
  | { readonly is: "granted"; readonly grant: Grant }
  /** For good. */
  | { readonly is: "refused"; readonly error: MuxError }
  /** Another try may help. */
  | { readonly is: "unavailable"; readonly error: MuxError }
  /** The next packets should go out now. */
  | { readonly is: "ask-again" }
  | { readonly is: "ask-elsewhere"; readonly endpoint: Endpoint };

/** One side of a version of the protocol. Knows no socket and no timer. */
export interface Dialogue {
  /**
   * What to send to one address now. A server may take each packet once, so another address gets others.
   *
   * @param round - from 0 on
   */
  packets(round: number): readonly Uint8Array[];
  /** What a packet means. Never throws. */
  hear(packet: Buffer): Heard;
}

export const NOISE: Heard = { is: "noise" };
