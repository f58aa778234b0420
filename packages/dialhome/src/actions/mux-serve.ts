import {
  createMuxServer,
  openLibsqlRegistry,
  parsePortRange,
  type Registry,
  splitHookCommand,
} from "@dialhome/mux-protocol";
import { usageError } from "../errors.ts";
import { formatAddress, parseListenAddress } from "../host-address.ts";
import type { CommandIo } from "../io.ts";
import { registryPath } from "../mux/registry-path.ts";
import { readSecrets, type SecretFlags } from "../mux/secrets.ts";
import { ServeHooks } from "../mux/serve-hooks.ts";
import { MuxServeReport } from "../mux/serve-report.ts";
import { parseMuxVersions } from "../mux/versions.ts";
import { untilAborted } from "../until-aborted.ts";

/** The options of `dialhome mux serve`. */
export interface MuxServeFlags extends SecretFlags {
  readonly identDb?: string;
  readonly muxPort?: number;
  readonly muxVersion?: string;
  readonly sshPort?: number;
  readonly tunnelPortRange?: string;
  readonly fingerprint?: readonly string[];
  readonly forwardings?: number;
  readonly expire?: string;
  readonly muxHook?: readonly string[];
  readonly attempts?: number;
  /** ms */
  readonly timeout?: number;
  readonly debug?: boolean;
  readonly json?: boolean;
}

/** As the original's. */
const DEFAULT_RANGE = "22000:22100";
const DEFAULT_SSH_PORT = 22;
const DAY_MS = 86_400_000;

/** `dialhome mux serve`: gives ports until it is asked to end. */
export async function runMuxServe(
  bind: string | undefined,
  flags: MuxServeFlags,
  io: CommandIo,
): Promise<number> {
  const place = readPlace(bind, flags);
  const secrets = readSecrets(flags, io);
  const versions = parseMuxVersions(flags.muxVersion);
  const portRange = parsePortRange(flags.tunnelPortRange ?? DEFAULT_RANGE);
  const expireAfterMs = readExpiry(flags.expire);
  const hook = flags.muxHook === undefined ? undefined : splitHookCommand(flags.muxHook);
  const report = new MuxServeReport(flags, io);
  const path = registryPath(flags, io, true);
  await using registry = await openLibsqlRegistry({ path, create: true, ...expireAfterMs });
  await using hooks = openHooks(hook, flags, registry, io);
  await using server = await createMuxServer({
    secrets,
    registry,
    portRange,
    versions,
    ...place,
    ...answering(flags),
    onEvent: (event) => {
      report.onEvent(event);
      hooks?.onEvent(event);
    },
  });
  const { address, port } = server;
  const text = `listening on ${formatAddress(address, port)} (UDP), ports in ${path}`;
  report.say("listening", text, { address, port, registry: path });
  await untilAborted(io.signal);
  await server.close();
  report.end(server.counters());
  return 0;
}

function openHooks(
  command: readonly string[] | undefined,
  { sshPort = DEFAULT_SSH_PORT }: MuxServeFlags,
  registry: Registry,
  io: CommandIo,
): ServeHooks | undefined {
  return command && new ServeHooks({ command, sshPort, registry, io });
}

/** `HOST` or `[HOST]:PORT`, which counts before `--mux-port`. */
function readPlace(bind: string | undefined, { muxPort }: MuxServeFlags): Place {
  const port = muxPort === undefined ? {} : { port: muxPort };
  if (bind === undefined) return port;
  if (!/^(\[[^\]]+\]|[^:]*):\d{1,5}$/.test(bind)) return { host: bind, ...port };
  const { host, port: inBind } = parseListenAddress(bind);
  return { ...(host === undefined ? {} : { host }), port: inBind };
}

interface Place {
  readonly host?: string;
  readonly port?: number;
}

function readExpiry(text: string | undefined): { readonly expireAfterMs?: number } {
  if (text === undefined) return {};
  const days = Number(text);
  if (!(days > 0 && days <= 36_500)) throw usageError(`--expire takes days, not "${text}"`);
  return { expireAfterMs: days * DAY_MS };
}

function answering(flags: MuxServeFlags): {
  readonly sshPort?: number;
  readonly fingerprints?: readonly string[];
  readonly forwardings?: number;
  readonly answers?: number;
  readonly answersWithinMs?: number;
} {
  const { sshPort, fingerprint, forwardings, attempts, timeout } = flags;
  return {
    ...(sshPort === undefined ? {} : { sshPort }),
    ...(fingerprint === undefined ? {} : { fingerprints: fingerprint }),
    ...(forwardings === undefined ? {} : { forwardings }),
    ...(attempts === undefined ? {} : { answers: attempts }),
    ...(timeout === undefined ? {} : { answersWithinMs: timeout }),
  };
}
