import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { join } from "node:path";
import { homeOf } from "./actions/ssh-login.ts";
import type { CommandIo } from "./io.ts";

/**
 * The lock of something that one process does at a time. It lies in the user's own directory for state and not in one for run time:
 * that goes when the last session ends, and a lock with it. The machine's name is part of it, since a home directory may be shared.
 *
 * @param identity - what must be the same for two to be in each other's way
 */
export function lockPath(
  kind: string,
  identity: readonly unknown[],
  io: Pick<CommandIo, "env">,
): string {
  const state = io.env["XDG_STATE_HOME"] || join(homeOf(io), ".local", "state");
  const text = JSON.stringify([hostname(), ...identity]);
  const name = createHash("sha256").update(text).digest("hex").slice(0, 32);
  return join(state, "dialhome", "locks", `${kind}-${name}`);
}
