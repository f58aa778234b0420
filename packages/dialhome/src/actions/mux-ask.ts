import {
  describeHookResult,
  negotiate,
  runMuxHook,
  splitHookCommand,
} from "@dialhome/mux-protocol";
import { DialhomeError } from "../errors.ts";
import type { CommandIo } from "../io.ts";
import { type AskFlags, readAskSettings } from "../mux/ask-settings.ts";
import { writeJsonLine } from "../terminal/json-lines.ts";

/** The options of `dialhome mux ask`. */
export interface MuxAskFlags extends AskFlags {
  readonly muxHook?: readonly string[];
  readonly json?: boolean;
}

/** `dialhome mux ask`: this device's ports, and nothing else. */
export async function runMuxAsk(host: string, flags: MuxAskFlags, io: CommandIo): Promise<number> {
  const hook = flags.muxHook === undefined ? undefined : splitHookCommand(flags.muxHook);
  const negotiated = await negotiate(await readAskSettings(host, flags, io));
  const { ports, sshPort } = negotiated;
  if (flags.json === true) writeJsonLine(io.stdout, { ...negotiated });
  else io.stdout.write(`${[sshPort, ...ports].join(" ")}\n`);
  const [tunnelPort] = ports;
  if (hook === undefined || tunnelPort === undefined) return 0;
  const { env, signal } = io;
  const result = await runMuxHook({ command: hook, sshPort, tunnelPort, env, signal });
  signal.throwIfAborted();
  if (result.is === "ended" && result.code === 0) return 0;
  const message = `the hook "${hook[0] ?? ""}": ${describeHookResult(result)}`;
  throw new DialhomeError("ERR_DIALHOME_REFUSED", message);
}
