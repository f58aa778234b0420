import { REGISTRY } from "./constants.ts";
import { MuxError } from "./mux-error.ts";
import { assertPortRange, isPort, type PortRange } from "./port-range.ts";

/** What is known of one port that was ever given away. Times are ms since 1970, by the clock of whoever wrote them. */
export interface Registration {
  /** What the registry knows the device by: printable ASCII without blanks; hexadecimal digits of what the wire carries. */
  readonly identity: string;
  /** The device's first forwarding is 0. */
  readonly forwarding: number;
  readonly port: number;
  /** It is this identity's until it is released, whatever the range is, and does not expire. */
  readonly isReserved: boolean;
  /** When it was given back. It is still this identity's if it asks before somebody else needs it. */
  readonly releasedAt?: number;
  /** When the identity first asked for ports; not there when it only had one reserved. */
  readonly firstSeen?: number;
  readonly lastSeen?: number;
  /** Where it asked from when it was last seen. */
  readonly address?: string;
  /** What became of the last hook. */
  readonly hook?: string;
  /** What the identity logs in with: see {@link Registry.bindKey}. */
  readonly key?: string;
}

/** What a device asks for. */
export interface AllocationRequest {
  readonly identity: string;
  /** How many ports; it may be another number each time. */
  readonly forwardings: number;
  /** Where ports are taken from. It may be another range each time: ports outside of it are changed. */
  readonly range: PortRange;
  /** Where it asks from. */
  readonly address?: string;
  /** ms since 1970. Only told, never counted with: clocks jump. */
  readonly now: number;
}

/** What a port is kept for. */
export interface Reservation {
  readonly identity: string;
  readonly port: number;
  /** @defaultValue 0 */
  readonly forwarding?: number;
  /** ms since 1970, of what it takes the place of. */
  readonly now: number;
}

/** Whose a port is. */
export interface PortHolder {
  readonly identity: string;
  /** What the identity logs in with; not there as long as it is bound to no key. */
  readonly key?: string;
}

/** A key that is to be an identity's own. */
export interface KeyBinding {
  readonly identity: string;
  /** One of the identity's ports: by it the caller knows who it is. */
  readonly port: number;
  /** Fingerprint of the key, as `SHA256:…`. */
  readonly key: string;
  /** Also in place of another key. @defaultValue false */
  readonly inPlace?: boolean;
}

/**
 * Identity → ports, for ever. The methods are few so that a database that several servers share can stand behind them. What a method
 * resolves with is durable: neither a killed process nor a lost power supply takes it back.
 *
 * Each of them throws MuxError: `ERR_MUX_REGISTRY` when the registry cannot be used, `ERR_MUX_REGISTRY_BUSY` when others have kept it busy
 * for too long, and `ERR_MUX_OPTION` for a value that makes no sense.
 */
export interface Registry extends AsyncDisposable {
  /**
   * The ports of an identity, the first forwarding's first: the same each time. Of the ports that are new to it, those that nobody ever had
   * come first, the lowest of them; then those that were given back, the longest ago; then those that expired.
   *
   * @throws MuxError `ERR_MUX_RANGE_EXHAUSTED`: there are not enough, and nothing was given
   */
  allocate(request: AllocationRequest): Promise<readonly number[]>;
  /** Gives all ports of an identity back, and unbinds its key. Resolves with false when it had none. */
  release(identity: string, now: number): Promise<boolean>;
  /**
   * Gives an identity a port of somebody's choice, within the range or not, in place of the one that it had.
   *
   * @throws MuxError `ERR_MUX_PORT_TAKEN` when it is another's, or another forwarding's
   */
  reserve(reservation: Reservation): Promise<void>;
  /** Whose a port is now; undefined when it is nobody's. */
  holderOf(port: number): Promise<PortHolder | undefined>;
  /**
   * Binds an identity to the key that its device logs in with, unless it is bound to one already, or does not have that port any more. A key may be that of many
   * identities, an identity has one key at most.
   *
   * @returns whose the port is afterwards
   */
  bindKey(binding: KeyBinding): Promise<PortHolder | undefined>;
  /** Keeps what became of a hook, in a few words. An identity that is not known is passed over. */
  noteHook(identity: string, result: string): Promise<void>;
  /** Everything, by port. */
  list(): Promise<readonly Registration[]>;
}

/** @throws MuxError `ERR_MUX_OPTION` */
export function assertIdentityName(identity: string): void {
  if (/^[!-~]+$/.test(identity) && identity.length <= REGISTRY.identityMost) return;
  const message = `an identity is 1 to ${REGISTRY.identityMost} printable characters without blanks`;
  throw new MuxError("ERR_MUX_OPTION", message, { limit: REGISTRY.identityMost });
}

/** @throws MuxError `ERR_MUX_OPTION` */
export function assertAllocationRequest({ identity, forwardings, range }: AllocationRequest): void {
  assertIdentityName(identity);
  assertPortRange(range);
  const { forwardingsMost: limit } = REGISTRY;
  if (Number.isInteger(forwardings) && forwardings >= 1 && forwardings <= limit) return;
  throw new MuxError("ERR_MUX_OPTION", `${forwardings} forwardings; 1 to ${limit} can be had`, {
    limit,
  });
}

/** @throws MuxError `ERR_MUX_OPTION` */
export function assertReservation({ identity, port, forwarding = 0 }: Reservation): void {
  assertIdentityName(identity);
  if (!isPort(port)) throw new MuxError("ERR_MUX_OPTION", `${port} is no port`);
  const last = REGISTRY.forwardingsMost - 1;
  if (Number.isInteger(forwarding) && forwarding >= 0 && forwarding <= last) return;
  throw new MuxError("ERR_MUX_OPTION", `there is no forwarding ${forwarding}; 0 to ${last}`, {
    limit: last,
  });
}

/** @throws MuxError `ERR_MUX_OPTION` */
export function assertKeyBinding({ identity, key }: KeyBinding): void {
  assertIdentityName(identity);
  if (/^[!-~]+$/.test(key) && key.length <= REGISTRY.textMost) return;
  const message = `a key's fingerprint is 1 to ${REGISTRY.textMost} printable characters without blanks`;
  throw new MuxError("ERR_MUX_OPTION", message, { limit: REGISTRY.textMost });
}

/** Text from elsewhere as it is kept: short, and without what a terminal would obey. */
export function keptText(text: string): string {
  return text.replace(/[^ -~]/g, "?").slice(0, REGISTRY.textMost);
}
