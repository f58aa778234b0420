import { deriveCredential, formatCredential } from "@dialhome/mux-protocol";
import { describe, expect, test } from "vitest";
import { type AskFlags, readAskSettings } from "../../src/mux/ask-settings.ts";
import { parseMuxVersions } from "../../src/mux/versions.ts";
import { memoryIo } from "../support/memory-io.ts";

const SECRET = "a secret of sixteen bytes and more";
const credential = formatCredential(deriveCredential(SECRET, Buffer.from("kitchen")));
const read = async (host: string, flags: AskFlags): ReturnType<typeof readAskSettings> =>
  readAskSettings(host, { authSecret: [SECRET], ...flags }, memoryIo());
const kitchen = { identString: "kitchen" };

describe("what a device asks with", () => {
  test("comes from its options; what is not given is left to the library", async () => {
    expect(await read("gate.example", kitchen)).toMatchObject({
      host: "gate.example",
      secret: SECRET,
      version: 2,
      identity: Buffer.from("kitchen"),
    });
    expect(await read("gate.example", kitchen)).not.toHaveProperty("port");
    const flags = { ...kitchen, muxVersion: "1", attempts: 3, timeout: 500, forwardings: 1 };
    expect(await read("[2001:db8::1]:7", flags)).toMatchObject({
      host: "2001:db8::1",
      port: 7,
      version: 1,
      attempts: 3,
      timeoutMs: 500,
      forwardings: 1,
    });
    expect(await read("h", { ...kitchen, muxPort: 9 })).toMatchObject({ port: 9 });
  });

  test("is its credential alone, if that is what it has", async () => {
    const settings = await read("h", { authSecret: [credential] });
    expect(settings).toMatchObject({ secret: credential });
    expect(settings).not.toHaveProperty("identity");
  });

  test.each([
    ["me@h", kitchen, /no user is needed/],
    ["h:1", { ...kitchen, muxPort: 2 }, /port 1 in "h:1", but 2 in --mux-port/],
    ["h", { ...kitchen, identRpi: true }, /only one of --ident-string/],
    ["h", { ...kitchen, muxVersion: "3" }, /--mux-version is 1 or 2, not "3"/],
    ["h", { ...kitchen, authSecret: [credential] }, /the credential says who this device is/],
    ["h", { identFile: "/nowhere" }, /cannot read the identity/],
  ])("%s %j makes no sense", async (host, flags, message) => {
    await expect(read(host, flags)).rejects.toThrow(message);
  });
});

test("a server speaks one version or both", () => {
  expect(parseMuxVersions()).toEqual([2]);
  expect(parseMuxVersions("1,2")).toEqual([1, 2]);
  expect(() => parseMuxVersions("1;2")).toThrow(/--mux-version/);
});
