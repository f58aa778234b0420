import type { CommandRow } from "./command-definition.ts";
import { findCommand, GROUPS } from "./command-table.ts";
import { usageError } from "./errors.ts";
import { exitCodeOf, reportFailure } from "./failure.ts";
import type { CommandIo } from "./io.ts";
import { loginShellArguments } from "./login-shell.ts";
import { VERSION } from "./version.ts";

/**
 * Runs the command line.
 *
 * @param argv - the arguments, without the interpreter and the program
 * @returns the exit code; whatever fails has been told on standard error
 */
export async function main(argv: readonly string[], io: CommandIo): Promise<number> {
  let debug = io.env["DIALHOME_DEBUG"] !== undefined;
  try {
    const args = loginShellArguments(argv) ?? argv;
    debug ||= args.includes("--debug");
    const [first] = args;
    if (first === "--version" || first === "-V") {
      io.stdout.write(`dialhome ${VERSION}\n`);
      return 0;
    }
    const row = findCommand(args);
    if (row?.runRaw !== undefined) return await row.runRaw(args.slice(1), io);
    return await runProgram(args, row, io);
  } catch (error) {
    reportFailure(io, error, debug);
    return exitCodeOf(error);
  }
}

async function runProgram(
  args: readonly string[],
  row: CommandRow | undefined,
  io: CommandIo,
): Promise<number> {
  const { buildProgram, CommanderError } = await import("./program.ts");
  let code = 0;
  const program = await buildProgram(io, row === undefined ? [] : [row], async (work) => {
    code = await work(io);
  });
  try {
    const isBare =
      args.length === 0 || (args.length === 1 && GROUPS.some(({ name }) => name === args[0]));
    await program.parseAsync(isBare ? [...args, "--help"] : args, { from: "user" });
    return code;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help was asked for, and shown.
    if (error.exitCode === 0) return 0;
    const [line = ""] = error.message.replace(/^error: /, "").split("\n", 1);
    const what = line.replace(/\.$/, "").replace(". Expected", ": expected");
    throw usageError(`${what}; see dialhome ${row === undefined ? "" : `${row.name} `}--help`);
  }
}
