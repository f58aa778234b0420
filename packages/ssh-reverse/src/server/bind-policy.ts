import { BlockList, isIP } from "node:net";
import { isListenPermitted, type KeyOptions, matchesPattern } from "@dialhome/authorized-keys";
import type { ForwardWish } from "@dialhome/ssh-endpoint";
import { SERVER } from "./constants.ts";

/** Where clients may have ports bound, beyond what their lines say. */
export interface BindPolicy {
  /**
   * - `loopback`: only `localhost` and loopback addresses, as sshd with `GatewayPorts no`, but another address is refused, not replaced;
   * - `permitlisten`: also another address that a `permitlisten="address:port"` of the key's line names;
   * - `any`: every address that the line does not forbid, as `GatewayPorts clientspecified`;
   * - `none`: nothing is bound, connections are opened with `server.connect()`.
   *
   * @defaultValue "loopback"
   */
  readonly addresses?: "loopback" | "permitlisten" | "any" | "none";
  /** Ports that may be asked for, and of which one is chosen for port 0. @defaultValue 1024 to 65535 */
  readonly ports?: { readonly min: number; readonly max: number };
}

/** What a policy says to a wish. */
export type BindDecision =
  /** `port` is 0 where any of the policy's will do. */
  | { readonly is: "bind"; readonly host: string; readonly port: number }
  | { readonly is: "none" }
  | { readonly is: "refused"; readonly why: string };

/** What a policy and the options of a key's line say to a wish for a TCP port. */
export function decideBind(
  wish: ForwardWish,
  options: KeyOptions,
  policy: BindPolicy,
): BindDecision {
  const { bindAddress, bindPort } = wish;
  const { addresses = "loopback", ports = SERVER.ports } = policy;
  if (!options.allow.portForwarding) return refused("this key may not forward ports");
  if (!isListenPermitted(options, bindAddress, bindPort)) {
    return refused(`this key may not have port ${bindPort} of ${quoted(bindAddress)}`);
  }
  if (bindPort !== 0 && (bindPort < ports.min || bindPort > ports.max)) {
    return refused(`only ports ${ports.min} to ${ports.max} can be had here`);
  }
  if (addresses === "none") return { is: "none" };
  const host = hostOf(bindAddress);
  if (host === undefined) return refused(`${quoted(bindAddress)} is no address`);
  const mayBind =
    isLoopback(host) ||
    addresses === "any" ||
    (addresses === "permitlisten" && isNamed(options, wish));
  if (!mayBind)
    return refused(`only loopback addresses can be had here, not ${quoted(bindAddress)}`);
  return { is: "bind", host, port: bindPort };
}

/**
 * Ports of a range that may be tried for a client that asks for any: 0 (the system's choice) where the range is all there are.
 *
 * @param isKept - ports that are not to be had this way
 */
export function portCandidates(
  policy: BindPolicy,
  random: () => number,
  isKept?: (port: number) => boolean,
): number[] {
  const { min, max } = policy.ports ?? SERVER.ports;
  if (policy.ports === undefined && isKept === undefined) return [0];
  const count = max - min + 1;
  const first = Math.floor(random() * count);
  const candidates: number[] = [];
  for (let step = 0; step < count && candidates.length < SERVER.portTries; step++) {
    const port = min + ((first + step) % count);
    if (isKept?.(port) !== true) candidates.push(port);
  }
  return candidates;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

function isLoopback(host: string): boolean {
  return LOOPBACK.check(host, isIP(host) === 6 ? "ipv6" : "ipv4");
}

/** The address to bind for the address of a client (RFC 4254 §7.1). `localhost` is IPv4's: one listener, not two. */
function hostOf(bindAddress: string): string | undefined {
  if (bindAddress === "localhost") return "127.0.0.1";
  if (bindAddress === "" || bindAddress === "*") return "::";
  return isIP(bindAddress) === 0 ? undefined : bindAddress;
}

/** Whether a line names the address, not only the port. */
function isNamed(options: KeyOptions, { bindAddress, bindPort }: ForwardWish): boolean {
  return options.permitListen.some(
    ({ host, port }) =>
      host !== undefined &&
      (port === "*" || port === bindPort) &&
      matchesPattern(host.toLowerCase(), bindAddress.toLowerCase()),
  );
}

function refused(why: string): BindDecision {
  return { is: "refused", why };
}

function quoted(address: string): string {
  return address === "" ? "every address" : address.replace(/[^\x21-\x7e]/g, "?").slice(0, 64);
}
