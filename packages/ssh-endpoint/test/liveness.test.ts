import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Liveness } from "../src/liveness.ts";

function start(intervalMs = 1_000, countMax = 3) {
  const seen = { pings: 0, deadAt: -1, silentMs: -1 };
  const began = Date.now();
  const liveness = new Liveness({
    intervalMs,
    countMax,
    ping: () => seen.pings++,
    onDead: (silentMs) => {
      Object.assign(seen, { deadAt: Date.now() - began, silentMs });
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
    expect(seen).toMatchObject({ pings: 2, deadAt: -1 });
    vi.advanceTimersByTime(1);
    expect(seen).toEqual({ pings: 2, deadAt: 3_700, silentMs: 3_000 });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("leaves a peer alone that answers, and one that talks by itself", () => {
    const { liveness, seen } = start();
    for (let n = 0; n < 100; n++) {
      vi.advanceTimersByTime(1_000);
      liveness.heard();
    }
    expect(seen).toMatchObject({ pings: 100, deadAt: -1 });
    for (let n = 0; n < 100; n++) {
      vi.advanceTimersByTime(900);
      liveness.heard();
    }
    expect(seen.pings).toBe(100);
    liveness.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("a probe asks at once, and gives up after its own time", () => {
    const { liveness, seen } = start(60_000);
    liveness.probe(500);
    liveness.probe(500); // one is under way
    expect(seen.pings).toBe(1);
    vi.advanceTimersByTime(499);
    expect(seen.deadAt).toBe(-1);
    vi.advanceTimersByTime(1);
    expect(seen).toEqual({ pings: 1, deadAt: 500, silentMs: 500 });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("a probe that is answered changes nothing", () => {
    const { liveness, seen } = start(60_000);
    liveness.probe(500);
    vi.advanceTimersByTime(400);
    liveness.heard();
    vi.advanceTimersByTime(10_000);
    expect(seen).toMatchObject({ pings: 1, deadAt: -1 });
    liveness.probe(500);
    liveness.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is off with an interval of 0", () => {
    start(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});
