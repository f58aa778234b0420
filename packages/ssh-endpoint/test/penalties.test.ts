import { describe, expect, it } from "vitest";
import { DEFAULTS } from "../src/constants.ts";
import { Penalties } from "../src/penalties.ts";

function withClock(options: Partial<ConstructorParameters<typeof Penalties>[0]> = {}) {
  let now = 1_000_000;
  const penalties = new Penalties({ ...DEFAULTS.penalties, exempt: "", ...options }, () => now);
  return { penalties, pass: (ms: number) => (now += ms) };
}

describe("penalties of sources", () => {
  it("a few failures cost nothing, and more of them bar the source until they are atoned for", () => {
    const { penalties, pass } = withClock();
    penalties.punish("192.0.2.1", "authFailure");
    penalties.punish("192.0.2.1", "authFailure");
    expect(penalties.isBarred("192.0.2.1")).toBe(false);
    penalties.punish("192.0.2.1", "authFailure");
    expect(penalties.isBarred("192.0.2.1")).toBe(true);
    expect(penalties.isBarred("192.0.2.2")).toBe(false);
    pass(14_999);
    expect(penalties.isBarred("192.0.2.1")).toBe(true);
    pass(2);
    expect(penalties.isBarred("192.0.2.1")).toBe(false);
    expect(penalties.size).toBe(0);
  });

  it("a device whose key is gone and that tries once a minute is never barred", () => {
    const { penalties, pass } = withClock();
    for (let count = 0; count < 100; count++) {
      penalties.punish("192.0.2.1", "authFailure");
      expect(penalties.isBarred("192.0.2.1")).toBe(false);
      pass(60_000);
    }
  });

  it("never lasts longer than its bound", () => {
    const { penalties, pass } = withClock();
    for (let count = 0; count < 10_000; count++) penalties.punish("192.0.2.1", "graceExceeded");
    pass(599_999);
    expect(penalties.isBarred("192.0.2.1")).toBe(true);
    pass(2);
    expect(penalties.isBarred("192.0.2.1")).toBe(false);
  });

  it("takes a whole IPv6 /64 as one source", () => {
    const { penalties } = withClock();
    for (const last of ["1", "2", "ffff:1", "3"]) {
      penalties.punish(`2001:db8:0:1::${last}`, "authFailure");
    }
    expect(penalties.isBarred("2001:db8:0:1::77")).toBe(true);
    expect(penalties.isBarred("2001:db8:0:2::1")).toBe(false);
  });

  it("leaves exempt addresses alone", () => {
    const { penalties } = withClock({ exempt: "10.0.0.0/8" });
    for (let count = 0; count < 100; count++) penalties.punish("10.1.2.3", "authFailure");
    expect(penalties.isBarred("10.1.2.3")).toBe(false);
    expect(penalties.size).toBe(0);
  });

  it("remembers no more sources than its bound", () => {
    const { penalties } = withClock();
    for (let count = 0; count < 70_000; count++) {
      penalties.punish(`10.${count >> 16}.${(count >> 8) & 255}.${count & 255}`, "authFailure");
    }
    expect(penalties.size).toBe(65_536);
  });
});
