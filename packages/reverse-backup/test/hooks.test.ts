import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { HOOK_POINTS, HookRunner, isHookPoint } from "../src/host/hooks.ts";

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "dialhome-test-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function script(text: string): Promise<string> {
  const file = join(folder, "hook");
  await writeFile(file, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return file;
}

test("a hook gets its arguments as they are, its input, and gives its output", async () => {
  const program = await script('printf "%s|" "$@"; cat');
  const hooks = new HookRunner({ programs: { "rsync.done": program } });
  expect(await hooks.run("rsync.done", ["/a b", "$(id)", "23"], "line\n")).toBe(
    "/a b|$(id)|23|line\n",
  );
  expect(await hooks.run("script.done", ["x"])).toBe("");
});

test("a hook that fails ends the backup, and says which it was", async () => {
  const hooks = new HookRunner({ programs: { "rsync.pre": await script("exit 3") } });
  await expect(hooks.run("rsync.pre", [])).rejects.toThrow(/^hook rsync.pre \(.*\) ended with 3$/);
  const missing = new HookRunner({ programs: { "rsync.pre": join(folder, "none") } });
  await expect(missing.run("rsync.pre", [])).rejects.toMatchObject({ code: "ERR_BACKUP_HOOK" });
});

test("a hook that hangs is killed with what it started", async () => {
  const pidFile = join(folder, "pid");
  const program = await script(`sleep 1000 & echo $! > ${pidFile}; wait`);
  const hooks = new HookRunner({ programs: { "script.start": program }, timeoutMs: 300 });
  await expect(hooks.run("script.start", [])).rejects.toThrow(/ran for more than 0.3 s/);
  const pid = Number(await readFile(pidFile, "utf8"));
  // Its parent was killed, so nobody reaps it here: gone, or a zombie.
  const state = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "x (sleep) Z");
  expect(state).toMatch(/\) Z/);
});

// What had left the process group kept the output open, and the backup waited for it for ever.
test("what a hook left running elsewhere is not waited for once its time is up", async () => {
  const pidFile = join(folder, "pid");
  const program = await script(`setsid sh -c 'echo $$ > ${pidFile}; exec sleep 1000' & wait`);
  const hooks = new HookRunner({ programs: { "script.start": program }, timeoutMs: 500 });
  await expect(hooks.run("script.start", [])).rejects.toThrow(/ran for more than 0.5 s/);
  process.kill(Number(await readFile(pidFile, "utf8")), "SIGKILL");
});

test("what a hook writes is bounded", async () => {
  const hooks = new HookRunner({ programs: { "script.start": await script("yes") } });
  await expect(hooks.run("script.start", [])).rejects.toThrow(/wrote more than/);
});

test("only the known points are points", () => {
  expect(Object.keys(HOOK_POINTS).every(isHookPoint)).toBe(true);
  expect(isHookPoint("toString")).toBe(false);
});
