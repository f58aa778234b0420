// 200 tunnels through a minute of chaos: each is back within its longest pause, and nothing is left.
import { expect, it } from "vitest";
import { tcpHandles, tunnelChaos } from "../support/tunnel-chaos.ts";

const TUNNELS = 200;
const MAX_DELAY_MS = 2_000;
const CONNECT_TIMEOUT_MS = 8_000;
const KEEPALIVE_MS = 1_500;
/** 200 tunnels that log in at the same time: twice what two busy cores take for it, ms. */
const LOGINS_MS = 4_000;
/** Three keepalives after its last byte a dead peer is found, and a fourth is where it is looked at. */
const FOUND_MS = Math.max(4 * KEEPALIVE_MS, CONNECT_TIMEOUT_MS);

const timers = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;

// An unhandled error or rejection would fail this by itself: that is what vitest does.
it("200 tunnels come back from 60 s of cuts, delays, splits and black holes", async () => {
  const before = { handles: tcpHandles(), timers: timers() };
  const figures = await tunnelChaos({
    seed: "chaos",
    tunnels: TUNNELS,
    chaosMs: 60_000,
    strikeWithinMs: 12_000,
    delayMs: 40,
    maxDelayMs: MAX_DELAY_MS,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    keepaliveIntervalMs: KEEPALIVE_MS,
    echoBytes: 20_000,
  });
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  expect(figures.answered).toBe(TUNNELS);
  expect(figures.strikes).toBeGreaterThan(4 * TUNNELS);
  expect(figures.echoes).toBeGreaterThan(10 * TUNNELS);
  expect(figures.slowestReturnMs).toBeLessThan(MAX_DELAY_MS + LOGINS_MS);
  expect(figures.allUpMs).toBeLessThan(FOUND_MS + MAX_DELAY_MS + LOGINS_MS);
  // The system closes them in its own time; a poll has a timer or two of its own.
  await expect.poll(tcpHandles, { timeout: 10_000 }).toBeLessThanOrEqual(before.handles);
  await expect.poll(timers, { timeout: 10_000 }).toBeLessThanOrEqual(before.timers + 2);
});
