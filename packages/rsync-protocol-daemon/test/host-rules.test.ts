import * as fc from "fast-check";
import { expect, test } from "vitest";
import { addressBytes, type HostRules, hostRuleProblem, isHostAllowed } from "../src/host-rules.ts";

const lookup = {
  names: async (address: string) =>
    ({ "192.0.2.7": ["Good.Example"], "192.0.2.8": ["good.example"] })[address] ?? [],
  addresses: async (name: string) =>
    ({ "good.example": ["192.0.2.7"], "six.example": ["2001:db8::1"] })[name.toLowerCase()] ?? [],
};
const allowed = (peer: string, rules: HostRules): Promise<boolean> =>
  isHostAllowed(peer, rules, lookup);

test.each<[string, string, boolean]>([
  ["192.0.2.7", "192.0.2.7", true],
  ["192.0.2.7", "192.0.2.70", false],
  ["192.0.2.0/24", "192.0.2.255", true],
  ["192.0.2.0/25", "192.0.2.255", false],
  ["192.0.2.1/32", "192.0.2.1", true],
  ["0.0.0.0/0", "203.0.113.9", true],
  ["192.0.2.0/255.255.255.0", "192.0.2.9", true],
  // Masks need not be prefixes.
  ["192.0.0.7/255.255.0.255", "192.0.99.7", true],
  ["192.0.2.7", "::ffff:192.0.2.7", true],
  ["0.0.0.0/0", "2001:db8::1", false],
  ["2001:db8::/32", "2001:db8:1::5", true],
  ["2001:db8::/ffff:ffff::", "2001:db9::", false],
  ["2001:DB8:0:0:0:0:0:1", "2001:db8::1", true],
  ["fe80::%eth0/64", "fe80::1%eth0", true],
  ["fe80::%eth0/64", "fe80::1%eth1", false],
  ["*.example", "192.0.2.7", true],
  ["good.example", "192.0.2.7", true],
  // A name that does not lead back to the address proves nothing.
  ["good.example", "192.0.2.8", false],
  ["six.example", "2001:db8::1", true],
  // Who has no name is meant by what means all.
  ["*", "192.0.2.99", true],
  ["*.*", "192.0.2.99", false],
  ["nowhere.example", "192.0.2.7", false],
])("allow %s, client %s: %s", async (rule, peer, wanted) => {
  expect(await allowed(peer, { allow: [rule] })).toBe(wanted);
});

test("allow goes before deny, and who is in neither may come unless there is only allow", async () => {
  const both = { allow: ["192.0.2.7"], deny: ["192.0.2.0/24"] };
  expect(await allowed("192.0.2.7", both)).toBe(true);
  expect(await allowed("192.0.2.8", both)).toBe(false);
  expect(await allowed("198.51.100.1", both)).toBe(true);
  expect(await allowed("192.0.2.7", {})).toBe(true);
});

test("what cannot be ruled out is denied", async () => {
  expect(await allowed("192.0.2.7", { deny: ["unknown.example"] })).toBe(false);
  expect(await allowed("192.0.2.7", { deny: ["unknown.example"], forwardLookup: false })).toBe(
    true,
  );
  expect(await allowed("192.0.2.99", { deny: ["*"] })).toBe(false);
  expect(await allowed("192.0.2.99", { allow: ["192.0.2.7"], deny: ["*"] })).toBe(false);
  expect(await allowed("192.0.2.7", { deny: ["*"], reverseLookup: false })).toBe(false);
  expect(await allowed("somewhere", { deny: ["192.0.2.7"] })).toBe(false);
  expect(await allowed("192.0.2.7", { allow: ["*.example"], reverseLookup: false })).toBe(false);
});

test("rules that are none are named", () => {
  expect(
    ["192.0.2.0/33", "1.2.3", "1.2.3.4/x", "::1/129", "@staff", "host/24"].map(hostRuleProblem),
  ).toEqual([
    "malformed mask",
    "not an address",
    "malformed mask",
    "malformed mask",
    "netgroups are not supported",
    "a mask needs an address",
  ]);
  expect(hostRuleProblem("good.example")).toBeUndefined();
});

test("every spelling of an address gives the same bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      bytes[0] = 0x20;
      const buffer = Buffer.from(bytes);
      const words = Array.from({ length: 8 }, (_, i) => buffer.readUInt16BE(2 * i).toString(16));
      expect(addressBytes(words.join(":"))).toEqual(bytes);
      const short = new URL(`http://[${words.join(":")}]/`).hostname.slice(1, -1);
      expect(addressBytes(short)).toEqual(bytes);
    }),
  );
});
