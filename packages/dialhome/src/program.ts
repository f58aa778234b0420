import { Command } from "commander";
import type { CommandRow, Execute } from "./command-definition.ts";
import { COMMANDS, GROUPS } from "./command-table.ts";
import type { CommandIo } from "./io.ts";
import { VERSION } from "./version.ts";

export { CommanderError } from "commander";

const DESCRIPTION =
  "Machines behind any NAT, reached through the one SSH connection that they make themselves. The backup host pulls; " +
  "nothing that a device does can delete or change a snapshot.";

const FIRST_STEPS = `
First steps, on the host and then on the device:
  $ dialhome backup-host /srv/backups --create --authorized-keys keys
  $ dialhome backup --host-key-fingerprint SHA256:… backup-host.example:2222 /home

dialhome COMMAND --help explains a command.`;

/**
 * Makes the command line of the table.
 *
 * @param loaded - the commands that get their options; of the others only name and summary are there
 */
export async function buildProgram(
  io: Pick<CommandIo, "stdout">,
  loaded: readonly CommandRow[],
  execute: Execute,
): Promise<Command> {
  const program = new Command("dialhome")
    .description(DESCRIPTION)
    .version(`dialhome ${VERSION}`, "-V, --version", "print the version")
    .helpOption("-h, --help", "explain a command")
    .helpCommand(false)
    .addHelpText("after", FIRST_STEPS)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      // Errors come back as exceptions, and are told by whoever caught them.
      writeErr: () => undefined,
    });
  for (const row of COMMANDS) {
    const [first = "", second] = row.name.split(" ");
    const parent = second === undefined ? program : groupOf(program, first);
    const command = parent.command(second ?? first).summary(row.summary);
    if (!loaded.includes(row)) continue;
    const declare = await row.load();
    command.description(`${row.summary.charAt(0).toUpperCase()}${row.summary.slice(1)}.`);
    declare(command, execute);
    // rsync has another one of that name.
    if (command.options.every(({ long }) => long !== "--debug")) {
      command.option("--debug", "show where a failure came from");
    }
  }
  return program;
}

/** The command that is the first word of others; made when the first of them comes. */
function groupOf(program: Command, name: string): Command {
  const there = program.commands.find((command) => command.name() === name);
  if (there !== undefined) return there;
  const summary = GROUPS.find((group) => group.name === name)?.summary ?? "";
  return program
    .command(name)
    .summary(summary)
    .description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`)
    .helpCommand(false)
    .addHelpText("after", `\ndialhome ${name} COMMAND --help explains a command.`);
}
