import { resolve } from "node:path";
import { createTunnelServer, type TunnelServer } from "@dialhome/ssh-reverse";
import { DialhomeError, reasonOf, usageError } from "../errors.ts";
import { codeOf } from "../failure.ts";
import { formatAddress, type ListenAddress, parseListenAddress } from "../host-address.ts";
import type { CommandIo } from "../io.ts";
import { controlPath, openControlSocket } from "../serve/control-socket.ts";
import type { ServeFlags } from "../serve/flags.ts";
import { ServeReport } from "../serve/report.ts";
import { drainMs, readServeSettings } from "../serve/settings.ts";
import { untilAborted } from "../until-aborted.ts";
import { VERSION } from "../version.ts";
import { openHostKeys } from "./host-keys.ts";
import { listenEverywhere } from "./listen-everywhere.ts";
import { runTunnels } from "./tunnels.ts";

const DEFAULT_PORT = 2222;

/** `dialhome serve`: serves until it is asked to end. */
export async function runServe(flags: ServeFlags, io: CommandIo): Promise<number> {
  if (flags.status === true) return runTunnels(flags, io);
  if (flags.authorizedKeys === undefined) {
    throw usageError(
      "--authorized-keys FILE is missing: the public keys of the devices, one a line",
    );
  }
  const settings = readServeSettings(flags, io);
  const { openServeMux, readServeMux } = await import("../serve/mux-settings.ts");
  const mux = readServeMux(flags, io);
  const address = flags.listen === undefined ? undefined : parseListenAddress(flags.listen);
  const metricsAddress =
    flags.metrics === undefined ? undefined : parseListenAddress(flags.metrics);
  const drain = drainMs(flags);
  if (flags.printUnit === true) {
    const { serveUnit } = await import("../serve/unit.ts");
    io.stdout.write(serveUnit(flags, io));
    return 0;
  }
  const hostKeys = await openHostKeys(flags, io);
  const logFile = flags.logFile === undefined ? undefined : resolve(io.cwd, flags.logFile);
  using report = new ServeReport(flags, io, logFile);
  const metrics =
    metricsAddress === undefined ? undefined : new (await import("../serve/metrics.ts")).Metrics();
  await using opened = mux === undefined ? undefined : await openServeMux(mux);
  await using server = await createTunnelServer({
    ...settings,
    ...(opened === undefined ? {} : { mux: opened.options }),
    hostKeys: hostKeys.map(({ text }) => text),
    authorizedKeys: { path: resolve(io.cwd, flags.authorizedKeys) },
    onEvent: (event) => {
      metrics?.onEvent(event);
      report.onEvent(event);
    },
  });
  const listening = await listenEverywhere(
    server,
    address ?? { host: undefined, port: DEFAULT_PORT },
  );
  const since = Date.now();
  const where = formatAddress(listening.address, listening.port);
  const path = controlPath(flags, io);
  await using _control = await openControlSocket(path, () => ({
    pid: process.pid,
    version: VERSION,
    since,
    listens: where,
    tunnels: server.tunnels(),
  }));
  await using figures =
    metrics === undefined || metricsAddress === undefined
      ? undefined
      : await serveMetrics(() => metrics.serve(metricsAddress, server), metricsAddress);
  for (const { isNew, path: made } of hostKeys) {
    if (isNew) report.say("host-key", `made a new host key: ${made}`, { path: made });
  }
  for (const fingerprint of server.fingerprints) {
    report.say("fingerprint", `host key ${fingerprint}`, { fingerprint });
  }
  if (figures !== undefined) {
    const { host, port } = figures;
    report.say("metrics", `metrics at http://${formatAddress(host, port)}/metrics`, { host, port });
  }
  if (server.mux !== undefined && mux !== undefined) {
    const { address: host, port } = server.mux;
    const text = `telling ports at ${formatAddress(host, port)} (UDP), registry ${mux.registryPath}`;
    report.say("mux-listening", text, { address: host, port, registry: mux.registryPath });
  }
  report.say("listening", `listening on ${where}`, { ...listening, control: path });
  const offHangup = io.process?.onHangup(() => void reload(server, report, io));
  try {
    await untilAborted(io.signal);
  } finally {
    offHangup?.();
    await server.drain(drain);
  }
  report.say("stopped", "ended on request");
  return 0;
}

/** SIGHUP: what fails leaves things as they were, and no tunnel falls. */
async function reload(server: TunnelServer, report: ServeReport, io: CommandIo): Promise<void> {
  try {
    report.reopen();
  } catch (error) {
    io.stderr.write(`dialhome: ${reasonOf(error)}\n`);
  }
  await server.reload();
  report.say("reloaded", "read the keys again");
}

async function serveMetrics<Served>(
  serve: () => Promise<Served>,
  { host = "127.0.0.1", port }: ListenAddress,
): Promise<Served> {
  try {
    return await serve();
  } catch (cause) {
    const why = codeOf(cause) === "EADDRINUSE" ? "another program listens there" : reasonOf(cause);
    const message = `cannot show metrics on ${formatAddress(host, port)}: ${why}`;
    throw new DialhomeError("ERR_DIALHOME_REFUSED", message, { cause });
  }
}
