import type { RsyncError } from "@dialhome/rsync-protocol";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { StopTime } from "../src/stop-time.ts";

const DAY_MS = 86_400_000;

describe("StopTime", () => {
  let failures: RsyncError[];
  const wire = { fail: (error: RsyncError) => void failures.push(error) };

  beforeEach(() => {
    failures = [];
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("ends the session at its time, also one that no timer reaches in one go", () => {
    using _stop = new StopTime(wire, Date.now() + 40 * DAY_MS);
    vi.advanceTimersByTime(40 * DAY_MS - 1);
    expect(failures).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(failures).toMatchObject([{ exitCode: 30 }]);
  });

  it("ends it at once when the time is over", () => {
    using _stop = new StopTime(wire, Date.now() - 1);
    expect(failures).toHaveLength(1);
  });

  it("does nothing without a time, nor when it is disposed", () => {
    new StopTime(wire, undefined)[Symbol.dispose]();
    new StopTime(wire, Date.now() + 10)[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
  });
});
