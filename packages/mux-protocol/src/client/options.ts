import type { LookupAddress } from "node:dns";
import type { Endpoint } from "../version-2/answer-items.ts";
import type { Grant } from "./dialogue.ts";
import type { DialogueSources } from "./dialogue-v2.ts";

/** Whom to ask, and who asks. */
export interface NegotiateOptions {
  /** Name or address of the server. */
  readonly host: string;
  /** Its UDP port. @defaultValue 8739 */
  readonly port?: number;
  /**
   * The master secret: version 2 takes 16 to 1024 bytes, version 1 from 1 to 64. Or, in version 2, the device's own credential as `formatCredential` writes
   * it (`dhm2.…`), which opens nothing but this device's packets.
   */
  readonly secret: string | Uint8Array;
  /** Who asks; text counts as UTF-8. Version 2 takes 1 to 4096 bytes, version 1 up to 255. A credential has it inside. */
  readonly identity?: string | Uint8Array;
  /** Of the protocol. There is no falling back from one to the other. @defaultValue 2 */
  readonly version?: 1 | 2;
  /** How many ports are wanted, 1 to 16; version 1 knows one. @defaultValue 1 */
  readonly forwardings?: number;
  /** Rounds of packets, 1 to 100. @defaultValue 6 */
  readonly attempts?: number;
  /** Time for all of it, ms, up to an hour. @defaultValue 10_000 */
  readonly timeoutMs?: number;
  /** The server's clock minus this one's as it was found before, ms; spares a device without clock a round. @defaultValue 0 */
  readonly clockOffsetMs?: number;
  /** Ends it; the promise is rejected with its reason. */
  readonly signal?: AbortSignal;
  /** Where time, chance and addresses come from. @defaultValue the system */
  readonly sources?: Partial<ClientSources>;
}

/** What a client takes from the system. */
export interface ClientSources extends DialogueSources {
  /** Every address of a name. */
  readonly lookup: (host: string) => Promise<readonly LookupAddress[]>;
}

/** What came of it. */
export interface Negotiated extends Grant {
  /** Who answered: the address of the server, and its port. */
  readonly server: Endpoint;
  /** The name or address that was asked in the end: another one than was given when the server sent on. */
  readonly host: string;
}
