import { mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { DialhomeError, reasonOf } from "../errors.ts";
import type { CommandIo } from "../io.ts";
import { stateFolder } from "../state-folder.ts";

/** Which registry a command works with. */
export interface RegistryFlags {
  readonly identDb?: string;
}

/** The option for it, with the original's name. */
export function declareRegistry(command: Command): Command {
  return command.option(
    "-i, --ident-db <path>",
    "the file of identities and ports (default: ports.db in ~/.local/state/dialhome)",
  );
}

/**
 * The path of the registry.
 *
 * @param isWanted - makes its folder where there is none, for its owner alone
 * @throws DialhomeError when that cannot be made
 */
export function registryPath(
  { identDb }: RegistryFlags,
  io: Pick<CommandIo, "cwd" | "env">,
  isWanted = false,
): string {
  const path = identDb === undefined ? join(stateFolder(io), "ports.db") : resolve(io.cwd, identDb);
  if (!isWanted) return path;
  const folder = dirname(path);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const message = `cannot make the folder ${folder}: ${reasonOf(cause)}`;
    throw new DialhomeError("ERR_DIALHOME_FILE", message, { cause });
  }
  return path;
}
