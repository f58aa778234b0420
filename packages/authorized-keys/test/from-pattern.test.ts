import { isAdmittedFrom, matchesPattern, plainAddress } from "@dialhome/authorized-keys";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

describe("isAdmittedFrom", () => {
  it.each([
    ["192.0.2.0/24", "192.0.2.77", true],
    ["192.0.2.0/24", "192.0.3.1", false],
    ["192.0.2.1/24", "192.0.2.1", false], // bits beyond the mask make the list invalid
    ["192.0.2.0/24", "::ffff:192.0.2.77", true],
    ["2001:db8::/32", "2001:db8:1::5", true],
    ["2001:db8::/32", "2001:db9::5", false],
    ["2001:db8::1/32", "2001:db8::1", false],
    ["2001:db8::/129", "2001:db8::1", false],
    ["::/0", "2001:db8::1", true],
    ["0.0.0.0/0", "2001:db8::1", false],
    ["0.0.0.0/0,::/0", "2001:db8::1", true],
    ["2001:DB8::1", "2001:db8:0:0::1", true],
    ["fe80::1", "fe80::1%eth0", true],
    ["*", "192.0.2.1", true],
    ["*,!192.0.2.0/24", "192.0.2.1", false],
    ["!192.0.2.0/24,*", "192.0.3.1", true],
    ["192.0.2.?", "192.0.2.9", true],
    ["192.0.2.?", "192.0.2.10", false],
    ["host/24,192.0.2.1", "192.0.2.1", true],
    ["192.0.2.1/,192.0.2.1", "192.0.2.1", false],
    ["192.0.2.1", "not an address", false],
    // As inet_aton(3) reads addresses, and so sshd.
    ["0/0", "192.0.2.1", true],
    ["127.1", "127.0.0.1", true],
    ["!127.1,*", "127.0.0.1", false],
    ["0x7f.0.1", "127.0.0.1", true],
    ["0300.0.2.0/24", "192.0.2.9", true],
    ["10/8", "10.1.1.1", false], // 0.0.0.10: bits beyond the mask
    ["09.0.0.1,*", "9.0.0.1", true],
    ["256.1", "1.0.0.1", false],
    ["4294967296", "0.0.0.0", false],
  ])("%s admits %s: %s", (list, address, isAdmitted) => {
    expect(isAdmittedFrom(list, address)).toBe(isAdmitted);
  });

  it("never throws", () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f:.,/!*?]{0,40}$/));
    fc.assert(
      fc.property(text, fc.oneof(fc.ipV4(), fc.ipV6()), (list, address) => {
        expect(typeof isAdmittedFrom(list, address)).toBe("boolean");
      }),
      { numRuns: 2000 },
    );
  });

  it("an address is in its own block of every size", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), (address, prefix) => {
        const number = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
        const network =
          prefix === 0 ? 0 : Math.floor(number / 2 ** (32 - prefix)) * 2 ** (32 - prefix);
        const text = [24, 16, 8, 0]
          .map((shift) => Math.floor(network / 2 ** shift) % 256)
          .join(".");
        expect(isAdmittedFrom(`${text}/${prefix}`, address)).toBe(true);
      }),
    );
  });
});

describe("matchesPattern", () => {
  it("agrees with a regular expression", () => {
    const pattern = fc.stringMatching(/^[ab*?]{0,8}$/);
    fc.assert(
      fc.property(pattern, fc.stringMatching(/^[ab]{0,8}$/), (some, text) => {
        const same = new RegExp(`^${some.replaceAll("*", ".*").replaceAll("?", ".")}$`);
        expect(matchesPattern(some, text)).toBe(same.test(text));
      }),
      { numRuns: 2000 },
    );
  });

  it("is quick where backtracking would explode", () => {
    expect(matchesPattern(`${"*a".repeat(40)}b`, "a".repeat(5_000))).toBe(false);
  });
});

describe("plainAddress", () => {
  it("tells IPv4 behind IPv6 as IPv4, and cuts zones", () => {
    expect(plainAddress("::FFFF:192.0.2.1")).toBe("192.0.2.1");
    expect(plainAddress("fe80::1%eth0")).toBe("fe80::1");
  });
});
