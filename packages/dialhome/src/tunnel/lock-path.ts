import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { join } from "node:path";
import { formatForward } from "@dialhome/ssh-reverse";
import { homeOf } from "../actions/ssh-login.ts";
import type { HostAddress } from "../host-address.ts";
import type { CommandIo } from "../io.ts";
import type { Forwardings } from "./forwardings.ts";

/**
 * The lock of a tunnel: of its destination and its forwardings, as they are written, whatever their order. It lies in the user's
 * own directory for state and not in one for run time: that goes when the last session ends, and a lock with it. The machine's name
 * is part of it, since a home directory may be shared.
 */
export function tunnelLockPath(
  { user, host, port }: HostAddress,
  { remote, local }: Forwardings,
  io: Pick<CommandIo, "env">,
): string {
  const state = io.env["XDG_STATE_HOME"] || join(homeOf(io), ".local", "state");
  const specs = [
    ...remote.map((spec) => `-R ${formatForward(spec)}`),
    ...local.map((spec) => `-L ${formatForward(spec)}`),
  ].toSorted();
  const identity = JSON.stringify([hostname(), user, host.toLowerCase(), port, specs]);
  const name = createHash("sha256").update(identity).digest("hex").slice(0, 32);
  return join(state, "dialhome", "locks", `tunnel-${name}`);
}
