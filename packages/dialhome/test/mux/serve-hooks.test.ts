import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MuxServerEvent } from "@dialhome/mux-protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ServeHooks } from "../../src/mux/serve-hooks.ts";
import { memoryIo } from "../support/memory-io.ts";

let folder = "";
let notes: string[] = [];
let now = 0;
let waiters: (() => void)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dialhome-test-"));
  notes = [];
  now = 0;
  waiters = [];
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function open(script: string, io = memoryIo({ env: { PATH: "/usr/bin:/bin" } })): ServeHooks {
  const path = join(folder, "hook");
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  const registry = {
    noteHook: async (identity: string, words: string): Promise<void> => {
      notes.push(`${identity}: ${words}`);
      for (const wake of waiters.splice(0)) wake();
      if (identity === "unlucky") throw new Error("no disk");
    },
  };
  return new ServeHooks({ command: [path, "arg"], sshPort: 22, registry, io, elapsed: () => now });
}

async function untilNotes(count: number): Promise<void> {
  while (notes.length < count) await new Promise<void>((resolve) => waiters.push(resolve));
}

const granted = (identity: string, port: number, host = "192.0.2.1"): MuxServerEvent => ({
  is: "granted",
  asker: { version: 2, identity, forwardings: 1, from: { host, port: 5_000 } },
  ports: [port, port + 1],
});

test("it hears both ports, who it is for and from where, and its end is noted", async () => {
  await using hooks = open(
    `echo "$@ $DIALHOME_MUX_IDENTITY $DIALHOME_MUX_ADDRESS" >>'${folder}/log'; [ "$3" = 22001 ] || exit 3`,
  );
  hooks.onEvent(granted("a", 22_001));
  await untilNotes(1);
  hooks.onEvent(granted("b", 22_002));
  await untilNotes(2);
  expect(readFileSync(join(folder, "log"), "utf8")).toBe(
    "arg 22 22001 a 192.0.2.1\narg 22 22002 b 192.0.2.1\n",
  );
  expect(notes).toEqual(["a: done", "b: exit code 3"]);
});

test("it runs once for a negotiation, however often the device asks in it", async () => {
  await using hooks = open("exit 0");
  for (now = 0; now < 200_000; now += 10_000) hooks.onEvent(granted("a", 22_001));
  hooks.onEvent({
    ...granted("a", 22_001),
    is: "refused",
    status: "unavailable",
  } as MuxServerEvent);
  now = 300_000;
  hooks.onEvent(granted("a", 22_001)); // it was off
  hooks.onEvent(granted("a", 22_001, "192.0.2.9"));
  hooks.onEvent(granted("a", 22_007, "192.0.2.9"));
  await untilNotes(4);
  hooks.onEvent(granted("b", 22_002));
  await untilNotes(5);
  expect(notes).toEqual([...Array.from({ length: 4 }, () => "a: done"), "b: done"]);
});

test("no more than 8 run at a time; at the end those that run are killed, and others never begin", async () => {
  const hooks = open(`echo >>'${folder}/log'; exec sleep 984`);
  for (let n = 0; n < 30; n++) hooks.onEvent(granted(`d${n}`, 22_000 + n));
  await hooks[Symbol.asyncDispose]();
  expect(notes).toHaveLength(8);
  expect(new Set(notes.map((note) => note.replace(/^d\d+: /, "")))).toEqual(new Set(["stopped"]));
});

test("a registry that fails is told, and ends nothing", async () => {
  const io = memoryIo({ env: { PATH: "/usr/bin:/bin" } });
  await using hooks = open("exit 0", io);
  hooks.onEvent(granted("unlucky", 22_001));
  await untilNotes(1);
  hooks.onEvent(granted("b", 22_002));
  await untilNotes(2);
  expect(io.written.stderr).toMatch(
    /^dialhome: the hook's end \(done\) is not noted: [^\n]*no disk[^\n]*\n$/,
  );
});
