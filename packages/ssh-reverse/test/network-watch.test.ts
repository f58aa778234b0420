import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  type NetworkSenses,
  NetworkSentry,
  SYSTEM_SENSES,
  watchSystemNetwork,
} from "../src/network-watch.ts";

/** A machine whose clocks and addresses the test moves. */
function machineOf(start: readonly string[]) {
  const state = { wall: 1_000_000, monotonic: 50, addresses: start };
  const senses: NetworkSenses = {
    wallMs: () => state.wall,
    monotonicMs: () => state.monotonic,
    addresses: () => state.addresses,
  };
  return { state, sentry: new NetworkSentry(senses) };
}

describe("NetworkSentry", () => {
  it("sees nothing while both clocks go on alike", () => {
    const { state, sentry } = machineOf(["eth0=192.0.2.1"]);
    for (let n = 0; n < 5; n++) {
      state.wall += 5_900; // slewed by an NTP client
      state.monotonic += 5_000;
      expect(sentry.look()).toBe(undefined);
    }
  });

  it("sees a sleep by the clock that stood still, once", () => {
    const { state, sentry } = machineOf([]);
    state.wall += 3_600_000;
    state.monotonic += 5_000;
    expect(sentry.look()).toBe("resumed");
    expect(sentry.look()).toBe(undefined);
  });

  it("sees that it was frozen itself by a look that comes late, once", () => {
    const { state, sentry } = machineOf([]);
    const pass = (ms: number): void => {
      state.wall += ms;
      state.monotonic += ms;
    };
    pass(9_900); // a busy process
    expect(sentry.look()).toBe(undefined);
    pass(10_000);
    expect(sentry.look()).toBe("resumed");
    pass(5_000);
    expect(sentry.look()).toBe(undefined);
  });

  it("is not moved by a clock that was set back", () => {
    const { state, sentry } = machineOf([]);
    state.wall -= 3_600_000;
    expect(sentry.look()).toBe(undefined);
  });

  it("sees addresses come, go and change, whatever their order", () => {
    const { state, sentry } = machineOf(["eth0=192.0.2.1", "wlan0=198.51.100.7"]);
    state.addresses = ["wlan0=198.51.100.7", "eth0=192.0.2.1"];
    expect(sentry.look()).toBe(undefined);
    state.addresses = ["wlan0=198.51.100.7"];
    expect(sentry.look()).toBe("addresses");
    state.addresses = ["wlan0=198.51.100.9"];
    expect(sentry.look()).toBe("addresses");
    expect(sentry.look()).toBe(undefined);
  });

  it("this machine's addresses are neither loopback nor link-local", () => {
    for (const address of SYSTEM_SENSES.addresses()) {
      expect(address).not.toMatch(/=(127\.|::1$|fe80:|169\.254\.)/);
    }
  });
});

describe("watchSystemNetwork", () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 1_000_000 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("one timer tells all who watch, and none is left", () => {
    const told: string[] = [];
    const first = watchSystemNetwork((change) => told.push(`first ${change}`));
    const second = watchSystemNetwork((change) => told.push(`second ${change}`));
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(20_000);
    expect(told).toEqual([]);
    vi.setSystemTime(Date.now() + 600_000); // slept
    vi.advanceTimersByTime(5_000);
    expect(told).toEqual(["first resumed", "second resumed"]);
    first[Symbol.dispose]();
    vi.setSystemTime(Date.now() + 600_000);
    vi.advanceTimersByTime(5_000);
    expect(told.slice(2)).toEqual(["second resumed"]);
    second[Symbol.dispose]();
    second[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
  });
});
