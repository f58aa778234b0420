import { describe, expect, it } from "vitest";
import { ReceiveWindow } from "../src/receive-window.ts";

const WINDOW = 1000;

/**
 * A peer that sends as much as it may, `delayMs` away in all, and a reader of so many bytes a ms. Gives the window after some time.
 */
function run(roundTripMs: number, bytesPerMs: number, ms: number): number {
  let now = 0;
  const window = new ReceiveWindow(WINDOW, () => now);
  /** Grants on their way to the peer. */
  const grants: { at: number; bytes: number }[] = [{ at: 0, bytes: WINDOW }];
  let unread = 0;
  let most = 0;
  for (; now < ms; now++) {
    while (grants[0] !== undefined && grants[0].at <= now) {
      const bytes = grants.shift()?.bytes ?? 0;
      window.receive(bytes);
      unread += bytes;
    }
    unread -= Math.min(unread, bytesPerMs);
    const amount = window.grant(unread, (wanted) => Math.min(wanted, 16 * WINDOW - window.target));
    if (amount > 0) grants.push({ at: now + roundTripMs, bytes: amount });
    most = Math.max(most, window.left + unread - window.target);
  }
  expect(most).toBeLessThanOrEqual(0);
  return window.target;
}

describe("ReceiveWindow", () => {
  it("grows to its bound where the way is long and the reader is fast", () => {
    expect(run(200, 1_000, 5_000)).toBe(16 * WINDOW);
  });

  it("grows only as far as the reader can use", () => {
    // 20 bytes a ms and 200 ms are 4,000 bytes on their way.
    const target = run(200, 20, 20_000);
    expect(target).toBeGreaterThanOrEqual(4 * WINDOW);
    expect(target).toBeLessThanOrEqual(8 * WINDOW);
  });

  it("stays where the reader is slower than the way is long", () => {
    expect(run(1, 10, 5_000)).toBe(WINDOW);
  });

  it("gives nothing for less than a quarter", () => {
    const window = new ReceiveWindow(WINDOW);
    window.receive(200);
    expect(window.grant(0, () => 0)).toBe(0);
    window.receive(100);
    expect(window.grant(200, () => 0)).toBe(0);
    expect(window.grant(0, () => 0)).toBe(300);
    expect(window.left).toBe(WINDOW);
  });
});
