import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Liveness } from "../src/liveness.ts";

function start(intervalMs = 1_000, countMax = 3) {
  const seen = { pings: 0, deadAt: -1 };
  const began = Date.now();
  const liveness = new Liveness({
    intervalMs,
    countMax,
    ping: () => seen.pings++,
    onDead: () => {
      seen.deadAt = Date.now() - began;
    },
  });
  return { liveness, seen };
}

describe("Liveness", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("finds a dead peer interval × count after its last byte", () => {
    const { liveness, seen } = start();
    vi.advanceTimersByTime(700);
    liveness.heard();
    vi.advanceTimersByTime(2_999);
    expect(seen).toEqual({ pings: 2, deadAt: -1 });
    vi.advanceTimersByTime(1);
    expect(seen).toEqual({ pings: 2, deadAt: 3_700 });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("leaves a peer alone that answers, and one that talks by itself", () => {
    const { liveness, seen } = start();
    for (let n = 0; n < 100; n++) {
      vi.advanceTimersByTime(1_000);
      liveness.heard();
    }
    expect(seen).toEqual({ pings: 100, deadAt: -1 });
    for (let n = 0; n < 100; n++) {
      vi.advanceTimersByTime(900);
      liveness.heard();
    }
    expect(seen.pings).toBe(100);
    liveness.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is off with an interval of 0", () => {
    start(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});
