import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { join } from "node:path";
import type { CommandIo } from "./io.ts";
import { stateFolder } from "./state-folder.ts";

/**
 * The lock of something that one process does at a time. The machine's name is part of it, since a home directory may be shared.
 *
 * @param identity - what must be the same for two to be in each other's way
 */
export function lockPath(
  kind: string,
  identity: readonly unknown[],
  io: Pick<CommandIo, "env">,
): string {
  const text = JSON.stringify([hostname(), ...identity]);
  const name = createHash("sha256").update(text).digest("hex").slice(0, 32);
  return join(stateFolder(io), "locks", `${kind}-${name}`);
}
