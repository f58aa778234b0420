// Twenty tunnels through a network that cuts, resets, stalls and dribbles: all come back, nothing is left.
import { expect, it } from "vitest";
import { tcpHandles, tunnelChaos } from "./support/tunnel-chaos.ts";

const TUNNELS = 20;

it("all tunnels come back when the chaos ends, and nothing is left of it", async () => {
  const before = tcpHandles();
  const { answered, strikes } = await tunnelChaos({
    seed: "chaos",
    tunnels: TUNNELS,
    chaosMs: 5_000,
    strikeWithinMs: 1_000,
    delayMs: 10,
    maxDelayMs: 200,
    connectTimeoutMs: 1_500,
    keepaliveIntervalMs: 300,
    echoBytes: 200_000,
  });
  expect(answered).toBe(TUNNELS);
  expect(strikes).toBeGreaterThan(TUNNELS);
  // The system closes them in its own time.
  await expect.poll(tcpHandles, { timeout: 10_000 }).toBeLessThanOrEqual(before);
});
