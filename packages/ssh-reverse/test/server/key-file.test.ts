import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateKey } from "@dialhome/ssh-endpoint";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SERVER } from "../../src/server/constants.ts";
import { KeyFile, type KeyListEvent } from "../../src/server/key-file.ts";

const [one, two] = [generateKey().publicLine, generateKey().publicLine];

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dialhome-keys-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A list whose pauses end when the test says so. */
async function openList(text: string) {
  const path = join(folder, "authorized_keys");
  writeFileSync(path, text);
  const events: KeyListEvent[] = [];
  const pauses: { ms: number; end: () => void }[] = [];
  let changes = 0;
  let onPause: (() => void) | undefined;
  const list = await KeyFile.open(path, {
    pollMs: 1_000,
    restMs: 500,
    restTimeoutMs: 1_500,
    pause: (ms, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) resolve();
        else signal.addEventListener("abort", () => resolve(), { once: true });
        pauses.push({ ms, end: resolve });
        onPause?.();
      }),
    onEvent: (event) => events.push(event),
    onChange: () => changes++,
  });
  /** Ends the pause of a length, when it has begun. */
  const pass = async (ms: number, meanwhile?: () => void): Promise<void> => {
    for (;;) {
      const at = pauses.findIndex((pause) => pause.ms === ms);
      if (at >= 0) {
        meanwhile?.();
        pauses.splice(at, 1)[0]?.end();
        return;
      }
      await new Promise<void>((resolve) => {
        onPause = resolve;
      });
    }
  };
  const write = (next: string): void => writeFileSync(path, next);
  return { list, events, pass, write, path, changes: () => changes };
}

const count = (keys: KeyFile["keys"]): number => keys.lines.filter(({ is }) => is === "key").length;

describe("a file of authorized keys that is followed", () => {
  it("takes what only adds keys at once", async () => {
    const { list, write, changes, events } = await openList(`${one}\n`);
    await using _list = list;
    expect(count(await list.fresh())).toBe(1);
    write(`${one}\n${two}\n`);
    expect(count(await list.fresh())).toBe(2);
    expect(changes()).toBe(1);
    expect(events).toEqual([
      { is: "keys", keys: 1 },
      { is: "keys", keys: 2 },
    ]);
  });

  it("takes what lost keys when it is at rest, and not while it is written", async () => {
    const { list, write, pass, changes } = await openList(`${one}\n${two}\n`);
    await using _list = list;
    write("");
    const looked = list.fresh();
    await pass(500, () => write(`${one}\n`)); // it was still being written
    expect(count(list.keys)).toBe(2);
    await pass(500);
    expect(count(await looked)).toBe(1);
    expect(changes()).toBe(1);
  });

  it("keeps the old list where the last line has no end, and says so once", async () => {
    const { list, write, events, changes } = await openList(`nonsense\n${one}\n`);
    await using _list = list;
    expect(events).toContainEqual({ is: "keys-line", line: 1, why: "no key" });
    write(`nonsense\n${one}\n${two.slice(0, 50)}`);
    expect(count(await list.fresh())).toBe(1);
    await list.fresh();
    expect(events.filter(({ is }) => is === "keys-kept")).toHaveLength(1);
    expect(changes()).toBe(0);
    write(`nonsense\n${one}\n${two}\n`);
    expect(count(await list.fresh())).toBe(2);
  });

  it("takes the good lines beside one that nobody can use, and tells of that", async () => {
    const { list, write, pass, events } = await openList(`${one}\n`);
    await using _list = list;
    // A device that is to be kept out must not stay for a slip in the line of another one.
    write(`no-such-option ${one}\n${two}\n`);
    const looked = list.fresh();
    await pass(500);
    expect(count(await looked)).toBe(1);
    expect(list.keys.lines.map(({ is }) => is)).toEqual(["useless", "key"]);
    const why = "bad key options: unknown key option";
    expect(events).toContainEqual({ is: "keys-line", line: 1, why });
  });

  it("keeps the old list where nothing of the new one can be used", async () => {
    const { list, write, pass, events, changes } = await openList(`${one}\n`);
    await using _list = list;
    write("<html>502 Bad Gateway</html>\n");
    const looked = list.fresh();
    await pass(500);
    expect(count(await looked)).toBe(1);
    expect(changes()).toBe(0);
    expect(events.at(-1)).toMatchObject({
      is: "keys-kept",
      why: expect.stringContaining("no key"),
    });
  });

  it("does not wait for a pipe that was put in its place, and reads no endless file", async () => {
    const { list, write, path, events } = await openList(`${one}\n`);
    await using _list = list;
    rmSync(path);
    execFileSync("mkfifo", [path]);
    expect(count(await list.fresh())).toBe(1);
    expect(events.at(-1)).toMatchObject({ why: expect.stringContaining("no regular file") });
    rmSync(path);
    write(`${one}\n`);
    await list.fresh();
    truncateSync(path, SERVER.keyFileBytes + 1);
    expect(count(await list.fresh())).toBe(1);
    expect(events.at(-1)).toMatchObject({ why: expect.stringContaining("limit 33554432") });
  });

  it("keeps the old list where the file is gone, and takes it up again", async () => {
    const { list, write, path, events, changes } = await openList(`${one}\n`);
    await using _list = list;
    rmSync(path);
    expect(count(await list.fresh())).toBe(1);
    await list.fresh();
    expect(events.filter(({ is }) => is === "keys-kept")).toHaveLength(1);
    write(`${one}\n${two}\n`);
    expect(count(await list.fresh())).toBe(2);
    expect(changes()).toBe(1);
  });

  it("looks by itself once in a while", async () => {
    const { list, write, pass } = await openList(`${one}\n`);
    await using _list = list;
    write(`${one}\n${two}\n`);
    await pass(1_000);
    await pass(1_000); // the next pause has begun: the look is over
    expect(count(list.keys)).toBe(2);
  });

  it("cannot be opened where there is none", async () => {
    const options = { pollMs: 1, restMs: 1, restTimeoutMs: 1, pause: async () => {} };
    await expect(
      KeyFile.open(join(folder, "missing"), { ...options, onEvent: () => {}, onChange: () => {} }),
    ).rejects.toMatchObject({ code: "ERR_SSH_REVERSE_AUTHORIZED_KEYS" });
  });
});
