/** When to try again. */
export interface ReconnectOptions {
  /** Upper end of the first pause, ms. @defaultValue 1_000 */
  readonly minDelayMs?: number;
  /** Upper end of the longest pause, ms. @defaultValue 60_000 */
  readonly maxDelayMs?: number;
  /** A link that stayed up this long is healthy: after it the pauses begin anew, ms. @defaultValue 60_000 */
  readonly steadyAfterMs?: number;
}

/**
 * The pause before try number `tries` (0 for the first after a failure): a random share of
 * `min(maxDelayMs, minDelayMs × 2^tries)`. Full jitter keeps a crowd that lost the same server from coming back in step.
 *
 * @param random - gives numbers in [0, 1)
 */
export function backoffMs(
  tries: number,
  options: Required<ReconnectOptions>,
  random: () => number,
): number {
  const ceiling = Math.min(options.maxDelayMs, options.minDelayMs * 2 ** Math.min(tries, 40));
  return Math.floor(random() * ceiling);
}
