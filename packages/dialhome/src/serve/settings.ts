import { resolve } from "node:path";
import type { BindPolicy, TunnelServerOptions } from "@dialhome/ssh-reverse";
import { usageError } from "../errors.ts";
import type { CommandIo } from "../io.ts";
import { parseSize } from "../rsync/size-argument.ts";
import { readAdmission } from "./admission.ts";
import { count, seconds, withoutUndefined } from "./flag-values.ts";
import type { ServeFlags } from "./flags.ts";

/** What the options of `dialhome serve` say to the server itself. */
export type ServeSettings = Omit<
  TunnelServerOptions,
  "hostKeys" | "authorizedKeys" | "onEvent" | "signal"
>;

/** Reads them. @throws DialhomeError for a value that makes no sense */
export function readServeSettings(flags: ServeFlags, io: Pick<CommandIo, "cwd">): ServeSettings {
  return withoutUndefined({
    bind: bindPolicy(flags),
    sockets: flags.sockets === undefined ? undefined : resolve(io.cwd, flags.sockets),
    ...readAdmission(flags),
    perKey: withoutUndefined({
      connections: count("--max-connections-per-key", flags.maxConnectionsPerKey),
      forwards: count("--max-forwards-per-key", flags.maxForwardsPerKey),
      channels: count("--max-channels-per-key", flags.maxChannelsPerKey),
      bytesPerSecond: bandwidth(flags.bandwidth),
    }),
    unusedMs: seconds("--unused", flags.unused),
    idleMs: seconds("--idle", flags.idle),
    probe: probe(flags),
  });
}

/** Reads `--drain`, ms. */
export function drainMs(flags: ServeFlags): number {
  return seconds("--drain", flags.drain) ?? 10_000;
}

function bindPolicy({ bindPolicy: policy = "loopback", ports }: ServeFlags): BindPolicy {
  if (!isPolicy(policy)) {
    throw usageError(`--bind-policy is loopback, permitlisten, any or none, not "${policy}"`);
  }
  if (ports === undefined) return { addresses: policy };
  const [, from, to] = /^(\d{1,5})-(\d{1,5})$/.exec(ports) ?? [];
  const range = { min: Number(from), max: Number(to) };
  if (from === undefined || range.min < 1 || range.min > range.max || range.max > 65_535) {
    throw usageError(`--ports takes two ports, such as 20000-29999, not "${ports}"`);
  }
  return { addresses: policy, ports: range };
}

function isPolicy(text: string): text is NonNullable<BindPolicy["addresses"]> {
  return ["loopback", "permitlisten", "any", "none"].includes(text);
}

function probe({ probe: greeting, probeInterval }: ServeFlags): TunnelServerOptions["probe"] {
  const intervalMs = seconds("--probe-interval", probeInterval, 0.1);
  if (greeting === undefined) {
    if (intervalMs !== undefined) throw usageError("--probe-interval needs --probe");
    return undefined;
  }
  if (greeting === "") throw usageError("--probe takes a text");
  return { greeting, ...(intervalMs === undefined ? {} : { intervalMs }) };
}

function bandwidth(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const bytes = parseSize(text, "--bandwidth", "b");
  if (bytes < 1024) throw usageError("--bandwidth is at least 1k");
  return bytes;
}
