import { expect, test } from "vitest";
import { findDevice, formatDevice, identityText } from "../../src/mux/device-name.ts";
import { sshConfigText } from "../../src/mux/ssh-config-text.ts";

const hex = (text: string): string => Buffer.from(text).toString("hex");
const KITCHEN = { identity: hex("kitchen"), forwarding: 0, port: 22_000, isReserved: false };
const HASH = { ...KITCHEN, identity: "0123456789abcdef0123456789abcdef", port: 22_001 };
const SIMILAR = { ...HASH, identity: `0123456${"f".repeat(25)}`, port: 22_002 };

test("an identity that is text is shown as that, and nothing in it is obeyed", () => {
  expect(identityText(hex("kitchen"))).toBe("kitchen");
  expect(identityText(hex("Küche"))).toBe("Küche");
  expect(identityText(hex("\u001b[2J"))).toBeUndefined();
  expect(identityText("ff00")).toBeUndefined();
  expect(identityText("notes")).toBeUndefined();
  expect(formatDevice(KITCHEN)).toBe('"kitchen"');
  expect(formatDevice({ ...HASH, forwarding: 2 })).toBe(`${HASH.identity} (forwarding 2)`);
  expect(formatDevice({ ...HASH, identity: "9f".repeat(64) })).toBe(`${"9f".repeat(16)}…`);
});

test("a device is found by its text, its identity, or a beginning that is its alone", () => {
  const list = [KITCHEN, HASH, SIMILAR];
  expect(findDevice("kitchen", list)).toBe(KITCHEN.identity);
  expect(findDevice(HASH.identity, list)).toBe(HASH.identity);
  expect(findDevice("01234567", list)).toBe(HASH.identity);
  expect(() => findDevice("012345", list)).toThrow(/knows 2 devices "012345"/);
  expect(() => findDevice("0", list)).toThrow(/knows no device "0"/);
  expect(() => findDevice("kitch", list)).toThrow(/knows no device "kitch"; dialhome mux list/);
});

test("ssh's configuration has a Host for each port that somebody has", () => {
  const odd = ["*", "a b", "22000", "-x", "n\nHost *"].map((text, at) => ({
    ...KITCHEN,
    identity: hex(text),
    port: 22_010 + at,
  }));
  const text = sshConfigText([KITCHEN, { ...HASH, releasedAt: 1 }, ...odd], "gate.example");
  expect(text.split("\n").filter((line) => line.startsWith("Host "))).toEqual([
    "Host mux-22000 mux-kitchen",
    ...odd.map(({ port }) => `Host mux-${port}`),
  ]);
  expect(text).toMatch(
    /^Host mux-22000 mux-kitchen\n {2}HostName gate\.example\n {2}Port 22000\n {2}HostKeyAlias mux-6b69746368656e-0\n\n/,
  );
});
