import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import type { CommandIo } from "../io.ts";
import { stateFolder } from "../state-folder.ts";

/** Which registry a command works with. */
export interface RegistryFlags {
  readonly identDb?: string;
}

/** The option for it, with the original's name. */
export function declareRegistry(command: Command): void {
  command.option(
    "-i, --ident-db <path>",
    "the file of identities and ports (default: ports.db in ~/.local/state/dialhome)",
  );
}

/**
 * The path of the registry.
 *
 * @param isWanted - makes the folder of the default one, for its owner alone; not one that somebody named
 */
export function registryPath(
  flags: RegistryFlags,
  io: Pick<CommandIo, "cwd" | "env">,
  isWanted = false,
): string {
  if (flags.identDb !== undefined) return resolve(io.cwd, flags.identDb);
  const folder = stateFolder(io);
  if (isWanted) mkdirSync(folder, { recursive: true, mode: 0o700 });
  return join(folder, "ports.db");
}
