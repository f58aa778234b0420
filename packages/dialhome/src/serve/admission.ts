import { isIP } from "node:net";
import type { TunnelServerOptions } from "@dialhome/ssh-reverse";
import { usageError } from "../errors.ts";
import { count, seconds, withoutUndefined } from "./flag-values.ts";

/** Options about who is kept away, and when a silent device is given up, as they were written: every server here has them. */
export interface AdmissionFlags {
  readonly loginGrace?: string;
  readonly maxAuthTries?: string;
  readonly maxStartups?: string;
  readonly maxStartupsPerSource?: string;
  readonly maxConnections?: string;
  readonly maxConnectionsPerSource?: string;
  readonly penaltyExempt?: string;
  /** false with `--no-penalties`. */
  readonly penalties?: boolean;
  readonly keepalive?: string;
}

/** What they say to a server. */
export type AdmissionSettings = Pick<
  TunnelServerOptions,
  | "loginGraceMs"
  | "authTries"
  | "startups"
  | "startupsPerSource"
  | "connections"
  | "connectionsPerSource"
  | "penalties"
  | "keepaliveIntervalMs"
  | "keepaliveCountMax"
>;

/** Reads them. @throws DialhomeError for a value that makes no sense */
export function readAdmission(flags: AdmissionFlags): AdmissionSettings {
  return withoutUndefined({
    loginGraceMs: seconds("--login-grace", flags.loginGrace, 1),
    authTries: count("--max-auth-tries", flags.maxAuthTries),
    startups: startups(flags.maxStartups),
    startupsPerSource: count("--max-startups-per-source", flags.maxStartupsPerSource),
    connections: count("--max-connections", flags.maxConnections),
    connectionsPerSource: count("--max-connections-per-source", flags.maxConnectionsPerSource),
    penalties: penalties(flags),
    ...keepalive(flags.keepalive),
  });
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
}: AdmissionFlags): TunnelServerOptions["penalties"] {
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
