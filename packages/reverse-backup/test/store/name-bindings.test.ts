import * as fs from "node:fs";
import * as path from "node:path";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { keyIdOf, validateName } from "../../src/store/machine-name.ts";
import { key, newStore } from "./support/rig.ts";

test("a name belongs to the key that used it first", async () => {
  const store = await newStore();
  store.bindName("host1", key("a"));
  store.bindName("host1", key("a"));
  expect(() => store.bindName("host1", key("b"))).toThrow(
    expect.objectContaining({
      code: "ERR_STORE_NAME_TAKEN",
      message: 'machine name "host1" belongs to another key',
    }),
  );
  expect(() => store.bindName("host2", key("a"))).toThrow(
    'this key belongs to machine "host1", it cannot be "host2" too',
  );
  await expect(store.begin(key("b"), { name: "host1" })).rejects.toMatchObject({
    code: "ERR_STORE_NAME_TAKEN",
  });
  expect(fs.existsSync(path.join(store.root, "hosts", key("b")))).toBe(false);
  expect(store.boundName(key("a"))).toBe("host1");
  expect(store.boundName(key("b"))).toBeUndefined();
  expect(store.namesOf()).toEqual([{ name: "host1", keyId: key("a") }]);
  expect(fs.readlinkSync(path.join(store.root, "by-name/host1"))).toBe(`../hosts/${key("a")}`);
});

test("what already lies under a name is nobody's", async () => {
  const store = await newStore();
  fs.mkdirSync(path.join(store.root, "by-name/directory"));
  fs.symlinkSync("/etc", path.join(store.root, "by-name/elsewhere"));
  for (const name of ["directory", "elsewhere"]) {
    expect(() => store.bindName(name, key("a"))).toThrow(/belongs to another key/);
  }
  expect(store.namesOf()).toEqual([]);
});

test.each([
  ["../escaped", 'machine name "../escaped" holds /'],
  ["..", 'machine name ".." begins with a dot'],
  [".hidden", 'machine name ".hidden" begins with a dot'],
  ["", 'machine name "" is empty'],
  ["a/b", 'machine name "a/b" holds /'],
  ["a\0b", 'machine name "a\\u{0}b" holds a control character'],
  ["a\nb", 'machine name "a\\u{a}b" holds a control character'],
  ["a\u202eb", 'machine name "a\\u{202e}b" holds a control character'],
  ["\ud800", /holds a control character$/],
  ["ä".repeat(128), /has 256 bytes, limit 255$/],
])("%j is refused and touches nothing", async (name, message) => {
  const store = await newStore();
  const before = fs.readdirSync(store.root, { recursive: true });
  await expect(store.begin(key("a"), { name })).rejects.toThrow(message);
  await expect(store.begin(key("a"), { name })).rejects.toMatchObject({ code: "ERR_STORE_NAME" });
  expect(fs.readdirSync(store.root, { recursive: true })).toEqual(before);
});

/** Any code point: fast-check's "binary", which takes a second to set up. */
const codePoint: fc.Arbitrary<string> = fc.nat(0x10_ffff).map((code) => String.fromCodePoint(code));

test("property: a name that passes is one visible path component", () => {
  fc.assert(
    fc.property(fc.string({ unit: codePoint, maxLength: 300 }), (name) => {
      try {
        validateName(name);
      } catch {
        return;
      }
      expect(path.basename(name)).toBe(name);
      expect(name.startsWith(".")).toBe(false);
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
      expect(Buffer.from(name).toString()).toBe(name);
    }),
    { numRuns: 200 },
  );
});

test("a key id is the beginning of the fingerprint in hex", () => {
  const digest = Buffer.alloc(32, 0xab);
  expect(keyIdOf(digest)).toBe("ab".repeat(16));
  expect(keyIdOf(`SHA256:${digest.toString("base64").replace("=", "")}`)).toBe("ab".repeat(16));
  for (const bad of ["", "SHA256:abc", "MD5:00", Buffer.alloc(31)]) {
    expect(() => keyIdOf(bad)).toThrow(expect.objectContaining({ code: "ERR_STORE_NAME" }));
  }
});

test("a key id from elsewhere leads nowhere", async () => {
  const store = await newStore();
  for (const bad of ["", "..", "../../etc", "A".repeat(32), "ab"]) {
    await expect(store.begin(bad, { name: "host1" })).rejects.toMatchObject({
      code: "ERR_STORE_NAME",
    });
  }
  expect(store.namesOf()).toEqual([]);
});
