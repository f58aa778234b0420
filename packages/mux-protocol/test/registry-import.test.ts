import { afterEach, beforeEach, expect, test } from "vitest";
import type { Registration } from "../src/registry.ts";
import { importRegistry, parseRegistration } from "../src/registry-import.ts";
import { inShort, type RegistryFolder, registryFolder } from "./support/registry-folder.ts";

let folder: RegistryFolder;

beforeEach(() => {
  folder = registryFolder();
});

afterEach(() => {
  folder[Symbol.dispose]();
});

const RANGE = { from: 22_000, to: 22_004 };

/** What another registry lists: something of everything. */
async function listOfAnother(): Promise<readonly Registration[]> {
  using other = registryFolder();
  await using registry = await other.open();
  const ask = (identity: string, forwardings = 1): Promise<readonly number[]> =>
    registry.allocate({ identity, forwardings, range: RANGE, now: 1_000, address: "192.0.2.1" });
  await ask("a", 2);
  for (const name of ["b", "c"]) await ask(name);
  await registry.reserve({ identity: "r", port: 80, now: 0 });
  await registry.noteHook("a", "done");
  await registry.bindKey({ identity: "a", port: 22_000, key: "SHA256:of-a" });
  await registry.release("c", 3_000);
  await registry.release("b", 4_000);
  return await registry.list();
}

test("what one registry lists makes the same of another", async () => {
  const list = await listOfAnother();
  const lines = list.map((one) => JSON.stringify(one));
  const read = lines.map((line) => parseRegistration(JSON.parse(line)));
  expect(read).toEqual(list);
  await importRegistry(folder.path, read);
  await using registry = await folder.open();
  expect(await registry.list()).toEqual(list);
  const ask = (identity: string): Promise<readonly number[]> =>
    registry.allocate({ identity, forwardings: 1, range: RANGE, now: 5_000 });
  expect(await ask("a")).toEqual([22_000]);
  expect(await ask("r")).toEqual([80]);
  // The one that nobody ever had; then the one that was released first.
  expect(await ask("d")).toEqual([22_004]);
  expect(await ask("e")).toEqual([22_003]);
});

test("only a registry without ports takes a list, and stays as it was otherwise", async () => {
  await using registry = await folder.open();
  await registry.allocate({ identity: "x", forwardings: 1, range: RANGE, now: 0 });
  await expect(importRegistry(folder.path, await listOfAnother())).rejects.toMatchObject({
    code: "ERR_MUX_REGISTRY",
    message: expect.stringMatching(/has ports already; only one without any takes a list$/),
  });
  expect(inShort(await registry.list())).toEqual(["22000 x/0"]);
});

const one = { identity: "a", forwarding: 0, port: 22_000, isReserved: false };

test.each([
  [[one, { ...one, identity: "b" }], /^port 22000 comes twice$/],
  [[one, { ...one, port: 22_001 }], /^a has two ports for its forwarding 0$/],
])("a list that contradicts itself is refused whole", async (list, message) => {
  await expect(importRegistry(folder.path, list)).rejects.toMatchObject({
    code: "ERR_MUX_OPTION",
    message: expect.stringMatching(message),
  });
});

test("an object needs an identity and a port alone", () => {
  expect(parseRegistration({ identity: "a", port: 22_000, more: "is passed over" })).toEqual(one);
});

test.each([
  null,
  [],
  "a",
  {},
  { identity: "a" },
  { identity: "a b", port: 5 },
  { identity: 5, port: 5 },
  { identity: "a", port: 0 },
  { identity: "a", port: "22" },
  { identity: "a", port: 1.5 },
  { identity: "a", port: 5, forwarding: 16 },
  { identity: "a", port: 5, lastSeen: "now" },
  { identity: "a", port: 5, address: 5 },
  { identity: "a", port: 5, isReserved: true, releasedAt: 5 },
])("%j is none", (value) => {
  expect(() => parseRegistration(value)).toThrow(
    expect.objectContaining({ code: "ERR_MUX_OPTION" }),
  );
});
