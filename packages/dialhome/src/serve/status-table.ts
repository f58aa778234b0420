import type { TunnelStatus } from "@dialhome/ssh-reverse";
import { formatAddress } from "../host-address.ts";
import { formatDevice } from "../mux/device-name.ts";
import { formatAge } from "../terminal/ages.ts";
import { printable } from "../terminal/printable.ts";
import { formatBytes } from "../terminal/sizes.ts";
import { formatTable } from "../terminal/table.ts";

const HEADINGS = [
  "DEVICE",
  "IDENTITY",
  "FORWARDS",
  "FROM",
  "SINCE",
  "SEEN",
  "ROUND TRIP",
  "IN",
  "OUT",
  "OPEN",
];

/** Who is connected, as lines for people. */
export function formatTunnels(tunnels: readonly TunnelStatus[], now: number): string[] {
  if (tunnels.length === 0) return ["no device is connected"];
  const isByIdentity = tunnels.some(({ identity }) => identity !== null);
  const withoutIdentity = (row: readonly string[]): readonly string[] =>
    isByIdentity ? row : row.filter((_, at) => at !== 1);
  const rows = tunnels.map((tunnel) => [
    printable(tunnel.id) + (tunnel.answers === false ? " (nothing answers)" : ""),
    printable(nameOf(tunnel)),
    printable(
      tunnel.forwards.map(({ asked, listens }) => listens ?? `(${asked})`).join(" ") || "-",
    ),
    formatAddress(tunnel.address, tunnel.port),
    formatAge(now - tunnel.since),
    formatAge(now - tunnel.lastSeen),
    tunnel.roundTripMs === null ? "-" : `${tunnel.roundTripMs.toFixed(1)} ms`,
    formatBytes(tunnel.bytesIn),
    formatBytes(tunnel.bytesOut),
    String(tunnel.channels),
  ]);
  const right = [3, 4, 5, 6, 7, 8].map((column) => (isByIdentity ? column + 1 : column));
  return formatTable([HEADINGS, ...rows].map(withoutIdentity), right);
}

/** What a device is called that has its port by who it is. */
function nameOf({ identity, label }: TunnelStatus): string {
  if (label !== null) return label;
  return identity === null ? "-" : formatDevice({ identity, forwarding: 0 });
}
