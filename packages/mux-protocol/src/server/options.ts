import type { Socket } from "node:dgram";
import type { PortRange } from "../port-range.ts";
import type { Registry } from "../registry.ts";
import type { AnswerStatus } from "../version-2/answer.ts";
import type { Endpoint } from "../version-2/answer-items.ts";
import type { DropReason } from "./judge.ts";
import type { TimeSources } from "./server-clock.ts";
import type { Rate } from "./token-bucket.ts";

/** Who asks for ports. */
export interface Asker {
  readonly version: 1 | 2;
  /** As the registry knows it. */
  readonly identity: string;
  readonly forwardings: number;
  readonly from: Endpoint;
}

/** What is to become of a valid request: the registry's ports, nothing, or another server's. */
export type MuxDecision = "grant" | "refuse" | { readonly redirect: Endpoint };

/** What happens on a server, for its log. Whatever is no valid request is counted and not told. */
export type MuxServerEvent =
  | { readonly is: "granted"; readonly asker: Asker; readonly ports: readonly number[] }
  /** It was told that it gets none, and why; in version 1 it was told nothing. */
  | {
      readonly is: "refused";
      readonly asker: Asker;
      readonly status: Exclude<AnswerStatus, "granted" | "time">;
      /** What the registry, or `decide`, failed with. */
      readonly error?: unknown;
    }
  /** The socket has a problem of its own. */
  | { readonly is: "socket-failed"; readonly error: Error }
  /** The system would not send a packet. */
  | { readonly is: "send-failed"; readonly to: Endpoint; readonly error: Error };

/** What a server has counted since its start. */
export interface MuxCounters {
  /** Packets that came in. */
  readonly received: number;
  /** Those that got no answer, by reason. */
  readonly dropped: Readonly<Record<DropReason, number>>;
  /** First answers, by what they said. */
  readonly answered: Readonly<Record<AnswerStatus, number>>;
  /** Copies of answers. */
  readonly repeated: number;
  /** Answers and copies that the system would not send. */
  readonly unsent: number;
}

/** A server that gives devices their ports. */
export interface MuxServerOptions {
  /** One live secret, or two while they are exchanged: 16 to 1024 bytes for version 2, 1 to 64 for version 1. Text counts as UTF-8. */
  readonly secrets: string | Uint8Array | readonly (string | Uint8Array)[];
  /** Who has which port. It stays open when the server is closed. */
  readonly registry: Registry;
  /** Ports to give. */
  readonly portRange: PortRange;
  /** Where the SSH server listens. @defaultValue 22 */
  readonly sshPort?: number;
  /** Host keys of the SSH server, as `SHA256:…`; 3 at most. @defaultValue none are told */
  readonly fingerprints?: readonly string[];
  /** Versions that are spoken. @defaultValue only 2 */
  readonly versions?: readonly (1 | 2)[];
  /** Address to bind; on a host with several addresses name one, so that answers come from where requests went to. @defaultValue all, of both families */
  readonly host?: string;
  /** UDP port; 0 takes any. @defaultValue 8739 */
  readonly port?: number;
  /** A bound socket to use in place of one of its own. It is closed with the server. */
  readonly socket?: Socket;
  /** Answers to a request, the first and its copies, 1 to 4. @defaultValue 4 */
  readonly answers?: number;
  /** Time over which they are spread, ms, up to a minute. @defaultValue 2_000 */
  readonly answersWithinMs?: number;
  /** How far a request's time may be from the server's, ms, up to an hour. @defaultValue 30_000 */
  readonly windowMs?: number;
  /** Ports that one device can have, 1 to 16. @defaultValue 4 */
  readonly forwardings?: number;
  /** Valid requests from one IPv4 address or IPv6 /64. @defaultValue 200 a second, 1,000 at once */
  readonly perSource?: Rate;
  /** Valid requests in all. @defaultValue 2,000 a second, 4,000 at once */
  readonly inAll?: Rate;
  /** Asked before the registry. What it throws is told to the device as "unavailable". @defaultValue all are granted */
  readonly decide?: (asker: Asker) => MuxDecision | Promise<MuxDecision>;
  /** Called synchronously; must not throw. */
  readonly onEvent?: (event: MuxServerEvent) => void;
  /** Closes the server. */
  readonly signal?: AbortSignal;
  /** Where time and chance come from. @defaultValue the system */
  readonly sources?: Partial<ServerSources>;
}

/** What a server takes from the system. */
export interface ServerSources extends TimeSources {
  readonly randomBytes: (count: number) => Uint8Array;
}

/** A server that answers. Disposal closes it. */
export interface MuxServer extends AsyncDisposable {
  /** Where it is bound. */
  readonly address: string;
  readonly port: number;
  /** As of now. */
  counters(): MuxCounters;
  /** Answers nothing any more; resolves when nothing is left open. */
  close(): Promise<void>;
}
