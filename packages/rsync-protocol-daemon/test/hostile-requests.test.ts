import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type ByteWriter,
  ITEM,
  NDX,
  TAG,
  Wire,
  writeItem,
  writeSumHeader,
} from "@dialhome/rsync-protocol";
import { afterAll, describe, expect, test } from "vitest";
import type { DaemonOptions } from "../src/index.ts";
import {
  handshakeText,
  openSession,
  type ScriptedClient,
  startClient,
  tempFolder,
} from "./support/scripted-client.ts";

const SECRET = "a secret beside the module";
const folder = tempFolder();
afterAll(() => folder[Symbol.asyncDispose]());
const root = join(folder.path, "module");
mkdirSync(join(root, "folder"), { recursive: true });
writeFileSync(join(root, "a-file"), "content");
writeFileSync(join(folder.path, "outside"), SECRET);

const options: DaemonOptions = { modules: [{ name: "m", path: root }] };
const NO_SUMS = { count: 0, blockLength: 0, strongLength: 0, remainder: 0 };

async function endOf(client: ScriptedClient): Promise<{ exitCode: number; message: string }> {
  const draining = client.wire.drainInput();
  const { exitCode, error } = await client.result;
  client.wire.end();
  await draining;
  client.wire.release();
  return { exitCode, message: error?.message ?? "" };
}

describe("requests out of all order", () => {
  const request =
    (header: Partial<typeof NO_SUMS>, ndx = 1, flags: number = ITEM.TRANSFER) =>
    (client: ScriptedClient): void => {
      const item = { ndx, flags, basis: 0x80, xname: undefined };
      writeItem(client.wire.out, client.ndx, item);
      if (flags & ITEM.TRANSFER) writeSumHeader(client.wire.out, { ...NO_SUMS, ...header });
    };
  const bytes =
    (hex: string) =>
    ({ wire }: ScriptedClient): void =>
      wire.out.bytes(Buffer.from(hex, "hex"));

  test.each<[string, (client: ScriptedClient) => void, RegExp, number]>([
    ["the last index of all", request({}, 0x7fff_ffff, 0), /index 2147483647/, 2],
    ["an index beyond all numbers", bytes("feffffffff0000feffffff"), /index/, 2],
    ["blocks of no length", request({ count: 5 }), /blocks of length 0/, 2],
    ["blocks beyond the largest", request({ count: 1, blockLength: 131_073 }), /block length/, 2],
    ["a checksum longer than any", request({ strongLength: 65 }), /strong sum length/, 2],
    [
      "a rest longer than a block",
      request({ count: 1, blockLength: 700, remainder: 701 }),
      /remainder/,
      2,
    ],
    [
      "more deleted than there can be",
      ({ wire, ndx }) => {
        ndx.write(wire.out, NDX.DEL_STATS);
        wire.out.varint(0x7fff_ffff);
        for (let n = 0; n < 4; n++) wire.out.varint(0);
      },
      /deleted files: 2147483647/,
      2,
    ],
    [
      "an endless text",
      ({ wire }) => wire.message(TAG.INFO, Buffer.alloc(8_193)),
      /payload of 8193/,
      12,
    ],
    ["a refusal to send", ({ wire }) => wire.intMessage(TAG.NO_SEND, 1), /message 102/, 12],
  ])("%s", async (_what, write, message, exitCode) => {
    const client = await startClient(options);
    write(client);
    client.wire.flush();
    const end = await endOf(client);
    expect(end.message).toMatch(message);
    expect(end.exitCode).toBe(exitCode);
  });

  test("the same file again and again is sent again and again, and costs nothing that stays", async () => {
    const client = await startClient(options);
    for (let n = 0; n < 2_000; n++) request({})(client);
    for (let n = 0; n < 5; n++) client.ndx.write(client.wire.out, NDX.DONE);
    client.wire.flush();
    const draining = client.wire.drainInput();
    const { exitCode, filesSent } = await client.result;
    await draining;
    client.wire.release();
    expect({ exitCode, filesSent }).toEqual({ exitCode: 0, filesSent: 2_000 });
  });
});

/** A session whose client sends these bytes as its filter list, in frames. */
async function withRules(
  write: (out: ByteWriter) => void,
): Promise<{ exitCode: number; message: string; heard: string }> {
  const { stream, result } = openSession({ ...options, handshakeTimeoutMs: 5_000 });
  let heard = "";
  stream.on("data", (piece: Buffer) => (heard += piece.toString("latin1")));
  const wire = new Wire(stream);
  wire.out.latin1(handshakeText("m", ["--server", "--sender", "-tre.LsfxCIvu", ".", "m/"]));
  wire.out.vstring("md5");
  wire.startMultiplexing();
  write(wire.out);
  wire.out.int(0);
  wire.flush();
  // No requests: only what the rules do is of interest.
  for (let n = 0; n < 5; n++) wire.out.byte(0);
  wire.end();
  const { exitCode, error } = await result;
  if (!stream.readableEnded) await once(stream, "end");
  wire.release();
  return { exitCode, message: error?.message ?? "", heard };
}

describe("filter rules of a client", () => {
  const rule =
    (text: string, times = 1) =>
    (out: ByteWriter): void => {
      for (let n = 0; n < times; n++) {
        out.int(text.length);
        out.latin1(text);
      }
    };

  test.each<[string, (out: ByteWriter) => void, RegExp]>([
    ["a negative length", (out) => out.int(-1), /rule of -1 bytes/],
    ["a length beyond the limit", (out) => out.int(5_121), /rule of 5121 bytes/],
    ["rules without end", rule("- x", 10_001), /more than 10000 filter rules/],
    ["patterns without end", rule(`- ${"?".repeat(4_000)}`, 500), /bytes of patterns/],
    ["a file of the machine", rule(". /etc/passwd"), /merge rule is not taken from a peer/],
    ["no rule at all", rule("nonsense"), /nonsense/],
  ])("%s", async (_what, write, message) => {
    const end = await withRules(write);
    expect(end.message).toMatch(message);
    expect(end.exitCode).toBeGreaterThan(0);
  });

  test("have no file outside of the module read", async () => {
    for (const text of [": ../outside", ":- ../outside", ": /outside", ":n ../../outside"]) {
      const end = await withRules(rule(text));
      expect(end.heard).not.toContain(SECRET);
      expect(end.message).not.toContain(SECRET);
    }
  });

  test("that are slow for others are not", async () => {
    const started = process.cpuUsage();
    const end = await withRules(rule(`- ${"*a".repeat(2_000)}b`, 40));
    const { user, system } = process.cpuUsage(started);
    expect(end.exitCode).toBe(0);
    expect((user + system) / 1000).toBeLessThan(5_000);
  });
});
