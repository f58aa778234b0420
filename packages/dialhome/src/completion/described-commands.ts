import type { Command } from "commander";
import { COMMANDS } from "../command-table.ts";
import { buildProgram } from "../program.ts";

/** An option as a shell completes it. */
export interface DescribedOption {
  /** With its dashes: `-n`, `--name`. */
  readonly spellings: readonly string[];
  readonly summary: string;
  readonly takesValue: boolean;
}

/** A command as a shell completes it. */
export interface DescribedCommand {
  /** As it is typed: one word, or two for a command of a group. */
  readonly name: string;
  readonly summary: string;
  readonly options: readonly DescribedOption[];
}

/** All commands with all their options, as they declare them. */
export async function describeCommands(): Promise<readonly DescribedCommand[]> {
  const program = await buildProgram({ stdout: process.stdout }, COMMANDS, async () => undefined);
  return program.commands.flatMap((command) =>
    command.commands.length === 0
      ? [describe(command, command.name())]
      : command.commands.map((one) => describe(one, `${command.name()} ${one.name()}`)),
  );
}

function describe(command: Command, name: string): DescribedCommand {
  return {
    name,
    summary: command.summary(),
    options: [
      ...command.options.map(({ short, long, description, required, optional }) => ({
        spellings: [short, long].filter((spelling) => spelling !== undefined),
        summary: description,
        takesValue: required || optional,
      })),
      { spellings: ["--help"], summary: "explain this command", takesValue: false },
    ],
  };
}
