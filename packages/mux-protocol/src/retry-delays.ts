/** What the sum of the pauses may miss the time by, seconds. */
const SLACK_SECONDS = 1e-9;

/**
 * How long to wait before each of several tries, so that they fill a time: the n-th of them (eⁿ − 1) / e seconds, with e such that the
 * sum is right. The first is 0. As the original scripts do (`retries_within_timeout`), which for two tries never come to an end.
 *
 * @param tries - from 1 on
 * @returns ms
 */
export function retryDelays(tries: number, timeoutMs: number): readonly number[] {
  const seconds = timeoutMs / 1000;
  // One pause of the formula is less than a second, whatever e is.
  if (tries <= 2) return [0, timeoutMs].slice(0, tries);
  const delays = (base: number): number[] =>
    Array.from({ length: tries }, (_, n) => (base ** n - 1) / base);
  const excess = (base: number): number =>
    delays(base).reduce((sum, delay) => sum + delay, 0) - seconds;
  let low = 1;
  let high = 2;
  while (excess(high) < 0) high *= 2;
  while (high - low > SLACK_SECONDS) {
    const middle = (low + high) / 2;
    // Halving ends where two numbers are neighbours.
    if (middle === low || middle === high) break;
    if (excess(middle) > 0) high = middle;
    else low = middle;
  }
  return delays(low).map((delay) => delay * 1000);
}
