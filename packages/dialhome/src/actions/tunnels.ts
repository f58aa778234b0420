import type { CommandIo } from "../io.ts";
import { askServer, type ControlFlags, controlPath } from "../serve/control-socket.ts";
import { formatTunnels } from "../serve/status-table.ts";
import { writeJsonLine } from "../terminal/json-lines.ts";

/** The options of `dialhome tunnels`. */
export interface TunnelsFlags extends ControlFlags {
  readonly json?: boolean;
}

/** `dialhome tunnels`, and `dialhome serve --status`: who is connected to the running server. */
export async function runTunnels(flags: TunnelsFlags, io: CommandIo): Promise<number> {
  const { tunnels } = await askServer(controlPath(flags, io));
  if (flags.json === true) {
    for (const tunnel of tunnels) writeJsonLine(io.stdout, { ...tunnel });
  } else {
    for (const line of formatTunnels(tunnels, Date.now())) io.stdout.write(`${line}\n`);
  }
  return 0;
}
