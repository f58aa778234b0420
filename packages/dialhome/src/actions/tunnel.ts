import type { SshConnectOptions } from "@dialhome/ssh-endpoint";
import { openTunnel, stopLockHolder, takeProcessLock } from "@dialhome/ssh-reverse";
import { DialhomeError, usageError } from "../errors.ts";
import { EXIT_CODE } from "../exit-codes.ts";
import { codeOf, exitCodeOf } from "../failure.ts";
import type { HostAddress } from "../host-address.ts";
import type { CommandIo } from "../io.ts";
import { resolveDestination, tunnelAddress } from "../tunnel/destination.ts";
import type { TunnelFlags } from "../tunnel/flags.ts";
import { type Forwardings, parseForwardings } from "../tunnel/forwardings.ts";
import { tunnelLockPath } from "../tunnel/lock-path.ts";
import { assertTunnelMux, readTunnelMux } from "../tunnel/mux-asking.ts";
import { TunnelMuxHook } from "../tunnel/mux-hook.ts";
import { openTunnelReport } from "../tunnel/report.ts";
import { tunnelUnit } from "../tunnel/unit.ts";
import { tellConfigWarnings } from "./ssh-login.ts";

/** Long enough for a line with a second's delay that loses packets, ms. */
const CONNECT_TIMEOUT_MS = 60_000;

/** The port of an SSH server of which nothing else is said. */
const SSH_PORT = 22;

/** Time for a tunnel that is told to end, ms. */
const STOP_TIMEOUT_MS = 10_000;

/** `dialhome tunnel`: opens a tunnel and keeps it until it is told to end, or until trying again cannot help. */
export async function runTunnel(
  destination: string,
  flags: TunnelFlags,
  io: CommandIo,
): Promise<number> {
  const address = tunnelAddress(destination, flags);
  assertTunnelMux(flags);
  const written = parseForwardings(flags);
  const lockPath = tunnelLockPath(address, written, io);
  if (flags.stop === true) return stop(lockPath, flags, io);
  if (flags.printUnit === true) {
    io.stdout.write(tunnelUnit(destination, flags, written, io));
    return EXIT_CODE.done;
  }
  using lock = flags.lock === true ? takeProcessLock(lockPath) : undefined;
  if (flags.lock === true && lock === undefined) return EXIT_CODE.done;
  const resolved = await resolveDestination(address, flags, io);
  const { config } = resolved;
  const mux = await readTunnelMux(flags, io);
  const options = mux === undefined ? resolved.options : atToldPort(resolved.options, address);
  const forwardings = orConfigured(written, config);
  const report = openTunnelReport(flags, options, forwardings, io);
  tellConfigWarnings(resolved, flags, io);
  await using hook = new TunnelMuxHook(flags.muxHook, io, report.hook);
  await using tunnel = openTunnel({
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    answerTimeoutMs: CONNECT_TIMEOUT_MS,
    ...options,
    forwards: forwardings.remote,
    localForwards: forwardings.local,
    reconnect:
      flags.once === true
        ? false
        : flags.backoffMax === undefined
          ? {}
          : { maxDelayMs: flags.backoffMax },
    ...(mux === undefined
      ? {}
      : {
          mux: {
            ...mux,
            onEvent: (event) => {
              report.mux(event);
              if (event.is === "granted") hook.granted(event.answer);
            },
          },
        }),
    onTargetFailure: report.targetFailed,
    signal: io.signal,
  });
  let exitCode: number = EXIT_CODE.done;
  for await (const state of tunnel.states()) {
    if (state.is === "failed") exitCode = exitCodeOfEnd(state.error);
    report.state(state, exitCode);
  }
  return exitCode;
}

/** The port that the mux server tells counts, unless another one was written somewhere. */
function atToldPort(
  { port, ...options }: SshConnectOptions,
  address: HostAddress,
): SshConnectOptions {
  const isWritten = address.port !== undefined || port !== SSH_PORT;
  return isWritten && port !== undefined ? { ...options, port } : options;
}

/** Without forwardings on the command line those of the configuration count. */
function orConfigured(
  written: Forwardings,
  config: { readonly remoteForwards: readonly string[]; readonly localForwards: readonly string[] },
): Forwardings {
  if (written.remote.length + written.local.length > 0) return written;
  const configured = parseForwardings({ R: config.remoteForwards, L: config.localForwards });
  if (configured.remote.length + configured.local.length > 0) return configured;
  throw usageError("nothing is forwarded: give -R or -L, such as -R 2222:localhost:22");
}

async function stop(lockPath: string, flags: TunnelFlags, io: CommandIo): Promise<number> {
  const pid = await stopLockHolder(lockPath, STOP_TIMEOUT_MS);
  if (pid === undefined) {
    throw new DialhomeError("ERR_DIALHOME_REFUSED", "no such tunnel runs with --lock");
  }
  if (flags.quiet !== true) io.stdout.write(`ended process ${pid}\n`);
  return EXIT_CODE.done;
}

function exitCodeOfEnd(error: Error): number {
  const code = codeOf(error);
  if (code === "ERR_SSH_ENDPOINT_AUTHENTICATION") return EXIT_CODE.notLetIn;
  return code.startsWith("ERR_SSH_ENDPOINT_HOST_KEY_") ? EXIT_CODE.hostKey : exitCodeOf(error);
}
