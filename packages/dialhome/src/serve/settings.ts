import { isIP } from "node:net";
import { resolve } from "node:path";
import type { BindPolicy, TunnelServerOptions } from "@dialhome/ssh-reverse";
import { usageError } from "../errors.ts";
import type { CommandIo } from "../io.ts";
import { parseSize } from "../rsync/size-argument.ts";
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
    loginGraceMs: seconds("--login-grace", flags.loginGrace, 1),
    authTries: count("--max-auth-tries", flags.maxAuthTries),
    startups: startups(flags.maxStartups),
    startupsPerSource: count("--max-startups-per-source", flags.maxStartupsPerSource),
    connections: count("--max-connections", flags.maxConnections),
    connectionsPerSource: count("--max-connections-per-source", flags.maxConnectionsPerSource),
    penalties: penalties(flags),
    perKey: withoutUndefined({
      connections: count("--max-connections-per-key", flags.maxConnectionsPerKey),
      forwards: count("--max-forwards-per-key", flags.maxForwardsPerKey),
      channels: count("--max-channels-per-key", flags.maxChannelsPerKey),
      bytesPerSecond: bandwidth(flags.bandwidth),
    }),
    ...keepalive(flags.keepalive),
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

/** `start:rate:full` as in sshd_config(5), MaxStartups; a lone number is start and full. */
function startups(text: string | undefined): TunnelServerOptions["startups"] {
  if (text === undefined) return undefined;
  const [, start, , rate = "100", full = start] =
    /^(\d{1,6})(:(\d{1,3}):(\d{1,6}))?$/.exec(text) ?? [];
  const result = { start: Number(start), rate: Number(rate) / 100, full: Number(full) };
  if (start === undefined || result.start < 1 || result.rate > 1 || result.full < result.start) {
    throw usageError(`--max-startups takes start:rate:full, such as 10:30:100, not "${text}"`);
  }
  return result;
}

function penalties({
  penalties: isOn,
  penaltyExempt,
}: ServeFlags): TunnelServerOptions["penalties"] {
  if (isOn === false) return false;
  if (penaltyExempt === undefined) return undefined;
  for (const item of penaltyExempt.split(",")) {
    if (isIP(item.replace(/^!/, "").replace(/\/\d+$/, "")) === 0 && !/[*?]/.test(item)) {
      throw usageError(`--penalty-exempt takes addresses and networks, not "${item}"`);
    }
  }
  return { exempt: penaltyExempt };
}

/** `seconds` or `seconds:count` */
function keepalive(
  text: string | undefined,
): Pick<TunnelServerOptions, "keepaliveIntervalMs" | "keepaliveCountMax"> {
  if (text === undefined) return {};
  const [, interval, , times = "3"] = /^(\d+(?:\.\d+)?)(:(\d{1,3}))?$/.exec(text) ?? [];
  if (interval === undefined || Number(times) < 2 || Number(interval) > 86_400) {
    throw usageError(`--keepalive takes seconds:count with a count from 2 on, not "${text}"`);
  }
  return { keepaliveIntervalMs: Number(interval) * 1000, keepaliveCountMax: Number(times) };
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

function seconds(name: string, text: string | undefined, least = 0): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value < least || value > 2_000_000) {
    throw usageError(`${name} takes a number of seconds, not "${text}"`);
  }
  return value * 1000;
}

function count(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d{1,7}$/.test(text) || value < 1) {
    throw usageError(`${name} takes a number from 1 on, not "${text}"`);
  }
  return value;
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Leaves out what was not said. */
function withoutUndefined<T extends object>(options: T): Partial<Defined<T>> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the entries of T, but for some
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as Partial<Defined<T>>;
}
