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
  for (const word of commands.flatMap(({ name }) => name.split(" "))) {
    expect(script).toContain(word);
  }
  expect(script).toMatch(shell === "fish" ? /-l authorized-keys/ : /--authorized-keys/);
});

test("the second word of a group is completed, then its options", () => {
  const group: readonly DescribedCommand[] = [
    { name: "serve", summary: "serves", options: [] },
    {
      name: "mux serve",
      summary: "answers",
      options: [{ spellings: ["--range"], summary: "ports", takesValue: true }],
    },
  ];
  const bash = completionScript("bash", group);
  expect(bash).toContain('compgen -W "serve mux --help --version"');
  expect(bash).toContain('compgen -W "serve --help"');
  expect(bash).toContain('"mux serve") words="--range" ;;');
  const fish = completionScript("fish", group);
  expect(fish).toContain("and not __fish_seen_subcommand_from serve' -f -a serve -d 'answers'");
  expect(fish).toContain("from mux; and __fish_seen_subcommand_from serve' -l range -r");
  const zsh = completionScript("zsh", group);
  expect(zsh).toContain("'serve:answers'");
  expect(zsh).toContain('"mux serve")');
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
