import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fingerprint, parseAuthorizedKeys, parsePublicKey } from "@dialhome/authorized-keys";
import { openLibsqlRegistry, type Registry } from "@dialhome/mux-protocol";
import { generateKey } from "@dialhome/ssh-endpoint";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listedIdentities, type MuxClaim, MuxGate } from "../../src/server/mux-gate.ts";

const RANGE = { from: 22_000, to: 22_009 };
const KEYS = [generateKey(), generateKey()].map(({ publicLine }) => publicLine);

let folder: string;
let registry: Registry;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "dialhome-gate-"));
  registry = await openLibsqlRegistry({ path: join(folder, "ports.db"), create: true });
  for (const identity of ["aa", "bb"]) {
    await registry.allocate({ identity, forwardings: 2, range: RANGE, now: 0 });
  }
});

afterEach(async () => {
  await registry[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** What key number `n` is told under these options of the two lines. */
function claim(
  port: number,
  n: 0 | 1,
  lines: readonly [string, string] = ["", ""],
  device?: { identity: string },
): Promise<MuxClaim> {
  const keys = parseAuthorizedKeys(KEYS.map((line, at) => `${lines[at] ?? ""}${line}`).join("\n"));
  const line = keys.lines[n];
  if (line?.is !== "key") throw new Error("no key");
  const key = fingerprint(line.key.blob);
  const gate = new MuxGate({ registry, portRange: RANGE }, () => keys);
  return gate.claim(port, { fingerprint: key, options: line.options, device });
}

const refused = (why: RegExp) => ({ is: "refused", why: expect.stringMatching(why) });
const listed = (text: string): string => `environment="DIALHOME_IDENTITY=${text}" `;

describe("a port of the range", () => {
  it("is that of the first key that asks, and of no other until it is released", async () => {
    const first = { is: "granted", device: { identity: "aa" }, isFirstUse: true };
    expect(await claim(22_000, 0)).toEqual(first);
    expect(await claim(22_001, 0)).toEqual({ ...first, isFirstUse: false });
    expect(await claim(22_000, 1)).toEqual(
      refused(/^port 22000 is that of a device with another key/),
    );
    await registry.release("aa", 1);
    expect(await claim(22_000, 1)).toEqual(refused(/^port 22000 was given to no device/));
    await registry.allocate({ identity: "aa", forwardings: 1, range: RANGE, now: 2 });
    expect(await claim(22_000, 1)).toEqual(first);
  });

  it("is nobody's before it is given", async () => {
    expect(await claim(22_009, 0)).toEqual(refused(/given to no device/));
  });

  it("may be one of many devices with the same key, but not within one connection", async () => {
    expect(await claim(22_000, 0)).toMatchObject({ device: { identity: "aa" } });
    expect(await claim(22_002, 0)).toMatchObject({ device: { identity: "bb" } });
    const again = await claim(22_002, 0, ["", ""], { identity: "aa" });
    expect(again).toEqual(refused(/another device's than the other ports of this connection/));
  });
});

it("a port outside of the range is free, unless it was reserved for somebody", async () => {
  expect(await claim(30_000, 0)).toEqual({ is: "free" });
  await registry.reserve({ identity: "aa", port: 30_000, now: 1 });
  expect(await claim(30_000, 0)).toMatchObject({ is: "granted", device: { identity: "aa" } });
  expect(await claim(30_000, 1)).toEqual(refused(/another key/));
});

describe("a line that lists identities", () => {
  it("binds them to its key, whichever came first, and names them", async () => {
    await claim(22_000, 0);
    const lines = ["", listed("AA:kitchen, cc")] as const;
    expect(await claim(22_000, 1, lines)).toEqual({
      is: "granted",
      device: { identity: "aa", label: "kitchen" },
      isFirstUse: true,
    });
    expect(await claim(22_000, 0, lines)).toEqual(refused(/another key is listed for its device/));
    expect(await claim(22_002, 1, lines)).toEqual(refused(/lists other devices/));
    expect(await claim(22_002, 0, lines)).toMatchObject({ is: "granted" });
    // Without the line the last binding counts.
    expect(await claim(22_000, 0)).toEqual(refused(/another key/));
    expect(await claim(22_000, 1)).toMatchObject({ is: "granted", isFirstUse: false });
  });

  it("reads as it is written", () => {
    const [line] = parseAuthorizedKeys(`${listed("a1:one, B2 ,,c3:")}${KEYS[0]}`).lines;
    if (line?.is !== "key") throw new Error("no key");
    expect([...listedIdentities(line.options)]).toEqual([
      ["a1", "one"],
      ["b2", undefined],
      ["c3", undefined],
    ]);
    expect(parsePublicKey(KEYS[0] ?? "").blob).toEqual(line.key.blob);
  });
});
