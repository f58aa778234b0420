import type { KeyOptions } from "@dialhome/authorized-keys";
import type { ServerForward } from "@dialhome/ssh-endpoint";
import type { TunnelConnection } from "./identity.ts";
import { describeAddress } from "./listen-address.ts";
import type { ListenPlace } from "./listener-lease.ts";
import type { MuxDevice } from "./mux-gate.ts";

/** A device that is connected, as an operator wants to see it. Plain data, fit for JSON. */
export interface TunnelStatus {
  /** Number of the connection, from 1; not used again while the server runs. */
  readonly connection: number;
  /** See {@link TunnelIdentity}. */
  readonly id: string;
  readonly name: string;
  readonly user: string;
  readonly fingerprint: string;
  readonly comment: string;
  /** Line in authorized_keys; 0 for none. */
  readonly line: number;
  /** Of a device that was told its port by the mux server: what the registry knows it by; else null. */
  readonly identity: string | null;
  /** What the key's line calls that identity; null where it does not. */
  readonly label: string | null;
  /** Where the device connects from. */
  readonly address: string;
  readonly port: number;
  /** ms since 1970 */
  readonly since: number;
  /** When bytes last came from it, ms since 1970. */
  readonly lastSeen: number;
  /** Of the last keepalive, ms; null as long as there was none. */
  readonly roundTripMs: number | null;
  /** Payload from the device, and to it. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Connections through the tunnel at this moment. */
  readonly channels: number;
  readonly forwards: readonly ForwardStatus[];
  /** Whether the greeting came at the last look; null where nobody looks, or not yet. */
  readonly answers: boolean | null;
}

/** A forwarding of a device. */
export interface ForwardStatus {
  /** What the client asked for: `localhost:2213`, or a path. */
  readonly asked: string;
  /** Where the server listens for it: `127.0.0.1:2213`, a path; null where it does not. */
  readonly listens: string | null;
}

/** What is kept of a connection beyond what it knows itself. */
export interface TunnelRecord {
  readonly number: number;
  readonly connection: TunnelConnection;
  /** Those of its line under the list of keys in force. */
  options: KeyOptions;
  /** Who it is by the port that it asked for, where the mux server gives them. */
  device: MuxDevice | undefined;
  /** By the key of {@link forwardKey}. */
  readonly places: Map<string, ListenPlace>;
  /** Failed looks for a greeting, in a row. */
  failures: number;
  answers: boolean | null;
  /** Since when it has had neither forwarding nor channel, on the monotonic clock, ms. */
  unusedSince: number | undefined;
}

/** Tells the forwardings of a connection apart. */
export function forwardKey(forward: ServerForward): string {
  return "socketPath" in forward
    ? forward.socketPath
    : describeAddress(forward.bindAddress, forward.port);
}

/** The status of one connection. */
export function statusOf(record: TunnelRecord): TunnelStatus {
  const { connection, places } = record;
  const { identity, login, stats, signsOfLife } = connection;
  return {
    connection: record.number,
    id: identity.id,
    name: identity.name,
    user: identity.user,
    fingerprint: identity.fingerprint,
    comment: identity.comment,
    line: identity.line,
    identity: record.device?.identity ?? null,
    label: record.device?.label ?? null,
    address: login.address,
    port: login.port,
    since: connection.since,
    lastSeen: signsOfLife.lastSeen,
    roundTripMs: signsOfLife.roundTripMs ?? null,
    bytesIn: stats.bytesIn,
    bytesOut: stats.bytesOut,
    channels: stats.channels,
    // Ports before sockets: which of them was granted first says nothing.
    forwards: connection.forwards
      .toSorted((a, b) => Number("socketPath" in a) - Number("socketPath" in b))
      .map((forward) => {
        const asked = forwardKey(forward);
        const place = places.get(asked);
        return { asked, listens: place === undefined ? null : formatPlace(place) };
      }),
    answers: record.answers,
  };
}

function formatPlace(place: ListenPlace): string {
  return "path" in place ? place.path : describeAddress(place.host, place.port);
}
