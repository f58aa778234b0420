import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { describeHookResult, runMuxHook, splitHookCommand } from "../src/hook.ts";
import { untilEnded } from "./support/until-ended.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dialhome-test-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const PORTS = { sshPort: 22, tunnelPort: 22_013 };

/** A program in a folder of its own. */
function program(script: string): string {
  const path = join(folder, "hook");
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

test.each([
  [["logger arg1 arg2"], ["logger", "arg1", "arg2"]],
  [["  logger\t a\n"], ["logger", "a"]],
  [["logger 'one two'"], ["logger", "'one", "two'"]],
  [
    ["logger", "arg1", "arg2 with spaces"],
    ["logger", "arg1", "arg2 with spaces"],
  ],
  [
    ["my logger", ""],
    ["my logger", ""],
  ],
])("-c %j is %j", (given, words) => {
  expect(splitHookCommand(given)).toEqual(words);
});

test.each([[[]], [[""]], [["  "]], [["", "a"]], [["a\0b"]]])("%j names no program", (given) => {
  expect(() => splitHookCommand(given)).toThrow(
    expect.objectContaining({ code: "ERR_MUX_OPTION" }),
  );
});

test("it gets both ports behind its arguments, as they are, and no shell sees them", async () => {
  const path = program(`printf '%s|' "$@" >'${folder}/args'`);
  const command = [path, "a b", "$(touch pwned)", "*"];
  expect(await runMuxHook({ ...PORTS, command })).toEqual({ is: "ended", code: 0 });
  expect(readFileSync(join(folder, "args"), "utf8")).toBe("a b|$(touch pwned)|*|22|22013|");
});

test("it is looked up in PATH, and gets the environment that is said", async () => {
  program(`echo "$WHO" >'${folder}/who'`);
  const env = { PATH: folder, WHO: "kitchen" };
  expect(await runMuxHook({ ...PORTS, command: ["hook"], env })).toEqual({ is: "ended", code: 0 });
  expect(readFileSync(join(folder, "who"), "utf8")).toBe("kitchen\n");
});

test("how it ended is told, in a few words", async () => {
  const run = async (script: string): Promise<string> =>
    describeHookResult(await runMuxHook({ ...PORTS, command: [program(script)] }));
  expect(await run("exit 0")).toBe("done");
  expect(await run("exit 3")).toBe("exit code 3");
  expect(await run("kill -TERM $$")).toBe("killed by SIGTERM");
  const missing = await runMuxHook({ ...PORTS, command: [join(folder, "none")] });
  expect(describeHookResult(missing)).toMatch(/^not started: .*ENOENT$/);
});

test("too long a one is killed with all that it started", async () => {
  const path = program(`sleep 986 & echo $! >'${folder}/pid'; wait`);
  const result = await runMuxHook({ ...PORTS, command: [path], timeoutMs: 300 });
  expect(describeHookResult(result)).toBe("killed after 0.3 s");
  await untilEnded(Number(readFileSync(join(folder, "pid"), "utf8")));
});

test("an abort kills it; one that came before starts nothing", async () => {
  const stop = new AbortController();
  const running = runMuxHook({
    ...PORTS,
    command: ["sleep", "985"],
    signal: stop.signal,
  });
  stop.abort();
  expect(describeHookResult(await running)).toBe("stopped");
  const path = program(`touch '${folder}/began'`);
  const again = await runMuxHook({ ...PORTS, command: [path], signal: stop.signal });
  expect(again).toEqual({ is: "aborted" });
  expect(readdirSync(folder)).not.toContain("began");
});
