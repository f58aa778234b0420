import * as fc from "fast-check";
import { expect, test } from "vitest";
import { addressBytes, formatAddressBytes, plainAddress, sourceOf } from "../src/ip-address.ts";

test.each([
  ["192.0.2.7", "c0000207"],
  ["::ffff:192.0.2.7", "c0000207"],
  ["::", "00".repeat(16)],
  ["2001:db8::1", `20010db8${"00".repeat(11)}01`],
  ["fe80::1%eth0", `fe80${"00".repeat(13)}01`],
  ["64:ff9b::192.0.2.7", `0064ff9b${"00".repeat(8)}c0000207`],
  ["host", undefined],
  ["1.2.3", undefined],
])("%s is %s", (address, hex) => {
  const bytes = addressBytes(address);
  expect(bytes === undefined ? undefined : Buffer.from(bytes).toString("hex")).toBe(hex);
});

test("bytes become an address, and the same bytes again", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    // IPv4 in IPv6 is told as IPv4.
    fc.uint8Array({ minLength: 16, maxLength: 16 }).filter(([first]) => first !== 0),
  );
  fc.assert(
    fc.property(bytes, (one) => {
      expect(addressBytes(formatAddressBytes(one) ?? "")).toEqual(one);
    }),
  );
  expect(formatAddressBytes(new Uint8Array(5))).toBeUndefined();
});

test("one source is an IPv4 address or an IPv6 /64", () => {
  expect(sourceOf("2001:db8:1:2:3::4")).toBe(sourceOf("2001:db8:1:2:ffff::"));
  expect(sourceOf("2001:db8:1:2::")).not.toBe(sourceOf("2001:db8:1:3::"));
  expect(plainAddress("::FFFF:192.0.2.7")).toBe("192.0.2.7");
});
