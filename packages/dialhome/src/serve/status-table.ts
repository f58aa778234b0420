import type { TunnelStatus } from "@dialhome/ssh-reverse";
import { formatAddress } from "../host-address.ts";
import { formatAge } from "../terminal/ages.ts";
import { printable } from "../terminal/printable.ts";
import { formatBytes } from "../terminal/sizes.ts";
import { formatTable } from "../terminal/table.ts";

const HEADINGS = ["DEVICE", "FORWARDS", "FROM", "SINCE", "SEEN", "ROUND TRIP", "IN", "OUT", "OPEN"];

/** Who is connected, as lines for people. */
export function formatTunnels(tunnels: readonly TunnelStatus[], now: number): string[] {
  if (tunnels.length === 0) return ["no device is connected"];
  const rows = tunnels.map((tunnel) => [
    printable(tunnel.id) + (tunnel.answers === false ? " (nothing answers)" : ""),
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
  return formatTable([HEADINGS, ...rows], [3, 4, 5, 6, 7, 8]);
}
