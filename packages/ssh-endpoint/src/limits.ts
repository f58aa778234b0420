import type { ConnectionLimits } from "./connection-layer.ts";
import { BOUNDS, DEFAULTS } from "./constants.ts";
import { SshEndpointError } from "./errors.ts";

/** Bounds and times of one connection, for client and server alike. */
export interface ConnectionOptions {
  /** Silence after which the peer is asked for a sign of life, ms; 0 switches it off. @defaultValue 15_000 */
  readonly keepaliveIntervalMs?: number;
  /** Silent intervals after which a peer counts as dead, at least 2; it is found after interval × count. @defaultValue 3 */
  readonly keepaliveCountMax?: number;
  /** Traffic after which new keys are agreed on, bytes. @defaultValue 1 GiB */
  readonly rekeyBytes?: number;
  /** Time after which new keys are agreed on, ms. @defaultValue 3_600_000 */
  readonly rekeyIntervalMs?: number;
  /** Time that a key exchange may take, ms. @defaultValue 30_000 */
  readonly rekeyTimeoutMs?: number;
  /**
   * Time for the peer's answer to a request, ms. The opening of a channel, or a request on one, is given up alone; a global request (a forwarding,
   * or its end) that is not answered ends the connection, as its late answer could not be told from that to the next.
   *
   * @defaultValue 20_000
   */
  readonly answerTimeoutMs?: number;
  /** Receive window of a new channel, bytes: what may lie unread. @defaultValue 1 MiB */
  readonly windowBytes?: number;
  /** Receive window that a channel grows to while it is what holds the peer back, bytes. @defaultValue 16 MiB */
  readonly windowBytesMax?: number;
  /** Sum of the receive windows of all channels beyond which none grows, bytes. @defaultValue 64 MiB */
  readonly windowBudgetBytes?: number;
  /** Channels that may exist at once. @defaultValue 128 */
  readonly channels?: number;
}

/** Resolves options once into complete limits. @throws SshEndpointError `ERR_SSH_ENDPOINT_OPTION` */
export function resolveLimits(options: ConnectionOptions): ConnectionLimits {
  const windowBytes = number(
    options,
    "windowBytes",
    DEFAULTS.windowBytes,
    BOUNDS.packetBytes,
    2 ** 30,
  );
  return {
    keepaliveIntervalMs: number(
      options,
      "keepaliveIntervalMs",
      DEFAULTS.keepaliveIntervalMs,
      0,
      MOST_MS,
    ),
    keepaliveCountMax: number(options, "keepaliveCountMax", DEFAULTS.keepaliveCountMax, 2, 1000),
    rekeyBytes: number(options, "rekeyBytes", DEFAULTS.rekeyBytes, 65_536, 2 ** 40),
    rekeyIntervalMs: number(options, "rekeyIntervalMs", DEFAULTS.rekeyIntervalMs, 1, MOST_MS),
    rekeyTimeoutMs: number(options, "rekeyTimeoutMs", DEFAULTS.rekeyTimeoutMs, 1, MOST_MS),
    answerTimeoutMs: number(options, "answerTimeoutMs", DEFAULTS.answerTimeoutMs, 1, MOST_MS),
    windowBytes,
    windowBytesMax: Math.max(
      windowBytes,
      number(options, "windowBytesMax", DEFAULTS.windowBytesMax, BOUNDS.packetBytes, 2 ** 30),
    ),
    windowBudgetBytes: number(
      options,
      "windowBudgetBytes",
      DEFAULTS.windowBudgetBytes,
      BOUNDS.packetBytes,
      2 ** 40,
    ),
    channels: number(options, "channels", DEFAULTS.channels, 1, 65_536),
  };
}

/** The longest that a timer takes, ms. */
const MOST_MS = 2_147_483_647;

function number(
  options: ConnectionOptions,
  name: keyof ConnectionOptions,
  byDefault: number,
  least: number,
  most: number,
): number {
  const value = options[name] ?? byDefault;
  if (Number.isFinite(value) && value >= least && value <= most) return value;
  throw new SshEndpointError(
    "ERR_SSH_ENDPOINT_OPTION",
    `${name} is ${value}, allowed are ${least} to ${most}`,
    { limit: value < least ? least : most },
  );
}
