import { formatExpiryTime, parseExpiryTime } from "@dialhome/authorized-keys";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

describe("expiry times", () => {
  it("UTC and local time", () => {
    expect(parseExpiryTime("20300102030405Z")).toBe(Date.UTC(2030, 0, 2, 3, 4, 5));
    expect(parseExpiryTime("203001020304UTC")).toBe(Date.UTC(2030, 0, 2, 3, 4));
    expect(parseExpiryTime("203001020304z")).toBe(Date.UTC(2030, 0, 2, 3, 4));
    expect(parseExpiryTime("20300102")).toBe(new Date(2030, 0, 2).getTime());
  });

  it.each([
    "",
    "2030",
    "20301301",
    "20300230Z",
    "20300100Z",
    "2030010224",
    "203001022400",
    "x",
    "20300102Zx",
  ])("%j is none", (text) => {
    expect(parseExpiryTime(text)).toBeUndefined();
  });

  it("is written so that it is read as the same second", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 250_000_000_000 }), (seconds) => {
        expect(parseExpiryTime(formatExpiryTime(seconds * 1000))).toBe(seconds * 1000);
      }),
    );
  });
});
