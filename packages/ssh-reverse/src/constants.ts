/** Defaults, each with its unit. */
export const DEFAULTS = {
  /** Upper end of the first pause after a lost link, ms. */
  minDelayMs: 1_000,
  /** Upper end of the longest pause, ms. */
  maxDelayMs: 60_000,
  /** A link that stayed up this long is healthy: after it the pauses begin anew, ms. */
  steadyAfterMs: 60_000,
  /** Time to reach the target of a forwarding, ms. */
  targetTimeoutMs: 10_000,
  /** Time that a server has for a sign of life after the network changed or the machine slept, ms. */
  probeTimeoutMs: 10_000,
  /** How often it is looked whether the network changed or the machine slept, ms. */
  networkPollMs: 5_000,
  /** So much further the clock on the wall must be than the one that stands still in sleep, ms. */
  clockJumpMs: 5_000,
  /** Bytes that wait for a socket before its tunnel is held back. Below a few packets each one would hold it back and let it go on again. */
  socketBufferBytes: 262_144,
  /** Connections that may wait in a listener's queue of the system. */
  listenBacklog: 128,
} as const;
