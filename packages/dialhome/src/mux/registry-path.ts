import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { CommandIo } from "../io.ts";

/** Where it stands who has which port: `--ident-db`, else a place of this user's. */
export function registryPath({ identDb }: { readonly identDb?: string }, io: CommandIo): string {
  if (identDb !== undefined) return resolve(io.cwd, identDb);
  const { HOME = homedir() } = io.env;
  return join(HOME, ".local/state/dialhome/ports.db");
}
