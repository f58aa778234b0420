import type { Command } from "commander";
import { expect, test } from "vitest";
import { COMMANDS } from "../src/command-table.ts";
import { buildProgram } from "../src/program.ts";
import { memoryIo } from "./support/memory-io.ts";

/** All of a command's words but the program's own. */
const nameOf = (command: Command): string =>
  command.parent?.parent === null || command.parent?.parent === undefined
    ? command.name()
    : `${command.parent.name()} ${command.name()}`;

function sectionOf(command: Command): string {
  const cell = (text: string): string => text.replaceAll("|", "\\|");
  const usage = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  const rows = [
    ...command.registeredArguments.map((argument) => [argument.name(), argument.description]),
    ...command.options.map((option) => [option.flags, option.description]),
  ];
  const lines = rows.map(([left = "", right = ""]) => `| \`${cell(left)}\` | ${cell(right)} |`);
  return [
    `## dialhome ${[nameOf(command), "[options]", ...usage].join(" ")}`,
    "",
    command.description(),
    "",
    "| argument or option | |",
    "| --- | --- |",
    ...lines,
    "",
  ].join("\n");
}

test("OPTIONS.md has every option of every command (npx vitest -u writes it)", async () => {
  const program = await buildProgram(memoryIo(), COMMANDS, async () => undefined);
  const text = [
    "# Options of every command",
    "",
    "Made from the commands themselves, as `dialhome COMMAND --help` and the completion scripts are.",
    "",
    ...program.commands
      .flatMap((command) => (command.commands.length === 0 ? [command] : command.commands))
      .map(sectionOf),
  ].join("\n");
  await expect(text).toMatchFileSnapshot("../OPTIONS.md");
});
