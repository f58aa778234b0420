import { formatForward } from "@dialhome/ssh-reverse";
import type { HostAddress } from "../host-address.ts";
import type { CommandIo } from "../io.ts";
import { lockPath } from "../lock-path.ts";
import type { Forwardings } from "./forwardings.ts";

/** The lock of a tunnel: of its destination and its forwardings, as they are written, whatever their order. */
export function tunnelLockPath(
  { user, host, port }: HostAddress,
  { remote, local }: Forwardings,
  io: Pick<CommandIo, "env">,
): string {
  const specs = [
    ...remote.map((spec) => `-R ${formatForward(spec)}`),
    ...local.map((spec) => `-L ${formatForward(spec)}`),
  ].toSorted();
  return lockPath("tunnel", [user, host.toLowerCase(), port, specs], io);
}
