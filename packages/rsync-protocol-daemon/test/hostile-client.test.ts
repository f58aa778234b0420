import { once } from "node:events";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { encodeFrame, ITEM, NDX, TAG, writeItem, writeSumHeader } from "@dialhome/rsync-protocol";
import * as fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { DaemonOptions } from "../src/index.ts";
import {
  handshakeText,
  openSession,
  type ScriptedClient,
  startClient,
  tempFolder,
} from "./support/scripted-client.ts";

const folder = tempFolder();
afterAll(() => folder[Symbol.asyncDispose]());
const root = join(folder.path, "module");
mkdirSync(join(root, "folder"), { recursive: true });
writeFileSync(join(root, "a-file"), "content");
writeFileSync(join(root, "big"), Buffer.alloc(40_000_000));
writeFileSync(join(folder.path, "outside"), "secret");
symlinkSync(folder.path, join(root, "escape"));

const options: DaemonOptions = { modules: [{ name: "m", path: root }] };
const item = (ndx: number, flags: number) => ({ ndx, flags, basis: 0x80, xname: undefined });

/** Sends requests and waits for how the daemon ends. */
async function misbehave(write: (client: ScriptedClient) => void): Promise<{
  exitCode: number;
  message: string | undefined;
}> {
  const client = await startClient(options);
  write(client);
  client.wire.flush();
  const draining = client.wire.drainInput();
  const { exitCode, error } = await client.result;
  client.wire.end();
  await draining;
  client.wire.release();
  return { exitCode, message: error?.message };
}

describe("a client that breaks the protocol is refused in one line", () => {
  test.each<[string, (client: ScriptedClient) => void, string]>([
    [
      "an index beyond the list",
      ({ wire, ndx }) => writeItem(wire.out, ndx, item(4711, 0)),
      "index 4711, which is in no list",
    ],
    [
      "the content of a directory",
      ({ wire, ndx }) => {
        writeItem(wire.out, ndx, item(0, ITEM.TRANSFER));
        writeSumHeader(wire.out, { count: 0, blockLength: 0, strongLength: 0, remainder: 0 });
      },
      "index 0, which is no file",
    ],
    [
      "a negative index",
      ({ wire, ndx }) => ndx.write(wire.out, -700),
      "index -700 among its requests",
    ],
    [
      "a sum header out of range",
      ({ wire, ndx }) => {
        writeItem(wire.out, ndx, item(1, ITEM.TRANSFER));
        writeSumHeader(wire.out, { count: -1, blockLength: 700, strongLength: 2, remainder: 0 });
      },
      "count -1 is not within",
    ],
    [
      "more sums than memory",
      ({ wire, ndx }) => {
        writeItem(wire.out, ndx, item(1, ITEM.TRANSFER));
        writeSumHeader(wire.out, {
          count: 1 << 26,
          blockLength: 700,
          strongLength: 16,
          remainder: 0,
        });
      },
      "block sums of 20 bytes, limit",
    ],
    [
      "content after the last phase",
      ({ wire, ndx }) => {
        ndx.write(wire.out, NDX.DONE);
        ndx.write(wire.out, NDX.DONE);
        writeItem(wire.out, ndx, item(1, ITEM.TRANSFER));
        writeSumHeader(wire.out, { count: 0, blockLength: 0, strongLength: 0, remainder: 0 });
      },
      "after the last phase",
    ],
    ["a message of nobody", ({ wire }) => wire.message(9, Buffer.alloc(4)), "unknown tag 9"],
    [
      "a message for clients",
      ({ wire }) => wire.intMessage(TAG.IO_TIMEOUT, 1),
      `message ${TAG.IO_TIMEOUT} from a client`,
    ],
  ])("%s", async (_what, write, wanted) => {
    const { exitCode, message } = await misbehave(write);
    expect(message).toContain(wanted);
    expect([2, 12]).toContain(exitCode);
  });
});

test("a module whose directory is gone says so in a line that clients still take for one", async () => {
  const { stream, result } = openSession({ modules: [{ name: "m", path: join(root, "gone") }] });
  stream.write(handshakeText("m", ["--server", "--sender", "-re.LsfxCIvu", ".", "m/"]), "latin1");
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  expect(await result).toMatchObject({ exitCode: 11, error: { code: "ERR_RSYNC_FILE" } });
  const [, last, ...rest] = Buffer.concat(chunks).toString("latin1").split("\n");
  expect([last, ...rest]).toEqual(["@ERROR: the directory of module m cannot be opened", ""]);
});

test("paths lead nowhere else, however they are spelled", async () => {
  const paths = [
    "m/../outside",
    "m/escape/",
    "m/escape/outside",
    "m/folder/../../outside",
    "/etc/passwd",
    "m//../../../etc/passwd",
  ];
  for (const path of paths) {
    const client = await startClient(options, "tr", [path]);
    const draining = client.wire.drainInput();
    const { entries, exitCode } = await client.result;
    await draining;
    expect([path, entries, exitCode]).toEqual([path, 0, 23]);
    expect(client.messages.map(({ tag }) => tag)).toContain(TAG.ERROR_XFER);
    client.wire.release();
  }
});

test("a handshake that is not over in time ends, wherever it stands", async () => {
  const whole = handshakeText("m", ["--server", "--sender", "-tre.LsfxCIvu", ".", "m/"]);
  for (const length of [0, 5, 25, 27, 60, whole.length]) {
    const { stream, result } = openSession({ ...options, handshakeTimeoutMs: 50 });
    stream.write(whole.slice(0, length));
    stream.resume();
    expect(await result).toMatchObject({ exitCode: 30, error: { code: "ERR_RSYNC_TIMEOUT" } });
    // Our side is closed as well.
    if (!stream.readableEnded) await once(stream, "end");
  }
});

test("a client that goes away ends its session, wherever it stands", async () => {
  const whole = handshakeText("m", ["--server", "--sender", "-tre.LsfxCIvu", ".", "m/"]);
  for (let length = 0; length <= whole.length; length += 7) {
    const { stream, result } = openSession(options);
    stream.write(whole.slice(0, length));
    stream.resume();
    stream.end();
    const { error } = await result;
    expect(error?.code).toBe("ERR_RSYNC_CONNECTION_LOST");
  }
});

test("lines, arguments and rules have limits", async () => {
  const cases: [string, string][] = [
    ["x".repeat(10_000), "line of more than"],
    [`@RSYNCD: 32.0 md5\n${"m".repeat(10_000)}`, "line of more than"],
    ["@RSYNCD: 32.0 md5\n#early_input=99999\n", "early input of 99999 bytes"],
    ["@RSYNCD: 32.0 md5\n#nonsense\n", "Unknown command '#nonsense'"],
    [
      handshakeText(
        "m",
        Array.from({ length: 5000 }, () => "-v"),
      ),
      "4096 arguments",
    ],
    [handshakeText("m", ["x".repeat(2_000_000)]), "bytes of arguments"],
    [handshakeText("m", ["-v"]), "do not begin with --server"],
  ];
  for (const [text, wanted] of cases) {
    const { stream, result } = openSession(options);
    let heard = "";
    stream.setEncoding("latin1").on("data", (chunk: string) => (heard += chunk));
    stream.end(text);
    const { error } = await result;
    expect([text.slice(0, 60), error?.message]).toEqual([
      text.slice(0, 60),
      expect.stringContaining(wanted),
    ]);
    if (!stream.readableEnded) await once(stream, "end");
    expect(heard).toContain("@ERROR: ");
  }
});

test("any bytes at any point end in a result", async () => {
  const prefixes = [
    "",
    "@RSYNCD: 32.0 md5\n",
    "@RSYNCD: 32.0 md5\nm\n",
    handshakeText("m", ["--server", "--sender", "-tre.LsfxCIvu", ".", "m/"]),
    `${handshakeText("m", ["--server", "--sender", "-tre.iLsfxCIvu", ".", "m/"])}\x03md5`,
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...prefixes),
      fc.uint8Array({ maxLength: 200 }),
      fc.boolean(),
      async (prefix, noise, framed) => {
        const { stream, result } = openSession({ ...options, handshakeTimeoutMs: 1000 });
        stream.resume();
        stream.write(Buffer.from(prefix, "latin1"));
        stream.end(framed ? encodeFrame(TAG.DATA, noise) : noise);
        expect((await result).exitCode).not.toBe(-1);
      },
    ),
    { numRuns: 300 },
  );
});

test("a client that does not read costs a bounded buffer, and abort ends it", async () => {
  const stop = new AbortController();
  const client = await startClient({ ...options, signal: stop.signal });
  // Asks for the 40 MB file again and again and never reads.
  for (let i = 0; i < 20; i++) {
    writeItem(client.wire.out, client.ndx, item(2, ITEM.TRANSFER));
    writeSumHeader(client.wire.out, { count: 0, blockLength: 0, strongLength: 0, remainder: 0 });
  }
  client.wire.flush();
  client.wire.release();
  client.stream.pause();
  await pause(300);
  stop.abort();
  const { bytesWritten, exitCode } = await client.result;
  expect(exitCode).toBe(20);
  expect(bytesWritten).toBeLessThan(4 * 1024 * 1024);
});

test("a client that falls silent ends by the module's timeout, one that shows life does not", async () => {
  const quick: DaemonOptions = { modules: [{ name: "m", path: root, timeoutSeconds: 1 }] };
  const client = await startClient(quick);
  const lively = setInterval(() => client.wire.message(TAG.DATA, Buffer.alloc(0)), 200);
  await pause(1500);
  clearInterval(lively);
  const ended = client.result;
  expect(await Promise.race([ended, pause(0)])).toBeUndefined();
  expect(await ended).toMatchObject({ exitCode: 30, error: { code: "ERR_RSYNC_TIMEOUT" } });
  // It was told of the timeout, and heard keepalives.
  expect(client.messages[0]).toMatchObject({ tag: TAG.IO_TIMEOUT });
  client.wire.release();
});
