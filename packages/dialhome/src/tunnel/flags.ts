import type { TunnelMuxFlags } from "./mux-asking.ts";

/** The options of `dialhome tunnel`; times in ms. */
export interface TunnelFlags extends TunnelMuxFlags {
  readonly R?: readonly string[];
  readonly L?: readonly string[];
  readonly port?: number;
  readonly identity?: readonly string[];
  readonly jump?: string;
  readonly config?: string;
  readonly o?: readonly string[];
  readonly knownHosts?: readonly string[];
  readonly hostKeyFingerprint?: readonly string[];
  readonly acceptNew?: boolean;
  readonly connectTimeout?: number;
  readonly aliveInterval?: number;
  readonly aliveCount?: number;
  readonly backoffMax?: number;
  readonly once?: boolean;
  readonly lock?: boolean;
  readonly stop?: boolean;
  readonly printUnit?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}
