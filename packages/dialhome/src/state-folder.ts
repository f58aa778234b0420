import { join } from "node:path";
import { homeOf } from "./actions/ssh-login.ts";
import type { CommandIo } from "./io.ts";

/**
 * Where a user's state lies that outlives sessions and reboots. (Not the directory for run time: that goes when the last session
 * ends.)
 */
export function stateFolder(io: Pick<CommandIo, "env">): string {
  const state = io.env["XDG_STATE_HOME"] || join(homeOf(io), ".local", "state");
  return join(state, "dialhome");
}
