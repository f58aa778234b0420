import type { Command } from "commander";
import type { Execute } from "../command-definition.ts";
import { usageError } from "../errors.ts";

const EXAMPLES = `
Examples:
  $ dialhome completion bash > ~/.local/share/bash-completion/completions/dialhome
  $ dialhome completion zsh > "\${fpath[1]}/_dialhome"
  $ dialhome completion fish > ~/.config/fish/completions/dialhome.fish`;

/** `dialhome completion` */
export function declareCompletion(command: Command, execute: Execute): void {
  command
    .argument("<shell>", "bash, zsh or fish")
    .addHelpText("after", EXAMPLES)
    .action((shell: string) =>
      execute(async (io) => {
        const { completionScript, isShell } = await import("../completion/scripts.ts");
        const { describeCommands } = await import("../completion/described-commands.ts");
        if (!isShell(shell)) throw usageError(`"${shell}" is none of bash, zsh and fish`);
        io.stdout.write(completionScript(shell, await describeCommands()));
        return 0;
      }),
    );
}
