import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateKey } from "@dialhome/ssh-endpoint";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
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

  it("keeps the old list where a line is spoiled, and says so once", async () => {
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
