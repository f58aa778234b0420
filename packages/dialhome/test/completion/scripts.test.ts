import { beforeAll, expect, test } from "vitest";
import { COMMANDS } from "../../src/command-table.ts";
import {
  type DescribedCommand,
  describeCommands,
} from "../../src/completion/described-commands.ts";
import { completionScript, isShell } from "../../src/completion/scripts.ts";

let commands: readonly DescribedCommand[];

beforeAll(async () => {
  commands = await describeCommands();
});

test("every command and its options are known", () => {
  expect(commands.map(({ name }) => name)).toEqual(COMMANDS.map(({ name }) => name));
  const spellings = (wanted: string): readonly string[] =>
    commands.find(({ name }) => name === wanted)?.options.flatMap((option) => option.spellings) ??
    [];
  expect(spellings("backup")).toEqual(
    expect.arrayContaining(["-n", "--name", "-X", "--debug", "--help"]),
  );
  expect(spellings("rsync")).toEqual(expect.arrayContaining(["-a", "--archive", "--link-dest"]));
});

test.each(["bash", "zsh", "fish"] as const)("%s completes them", (shell) => {
  const script = completionScript(shell, commands);
  for (const { name } of commands) expect(script).toContain(name);
  expect(script).toMatch(shell === "fish" ? /-l authorized-keys/ : /--authorized-keys/);
});

test("quotes in a summary do not end a string of the script", () => {
  const tricky: DescribedCommand = {
    name: "x",
    summary: "it's [so]: yes",
    options: [{ spellings: ["--y"], summary: "don't", takesValue: true }],
  };
  expect(completionScript("fish", [tricky])).toContain("-d 'it\\'s [so]: yes'");
  expect(completionScript("zsh", [tricky])).toContain("'x:it'\\''s \\[so\\]\\: yes'");
});

test("other shells are unknown", () => {
  expect(isShell("bash")).toBe(true);
  expect(isShell("toString")).toBe(false);
});
