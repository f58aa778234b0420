import type { SshConnectOptions } from "@dialhome/ssh-endpoint";
import {
  formatTarget,
  type TargetFailure,
  type TunnelMuxEvent,
  type TunnelState,
} from "@dialhome/ssh-reverse";
import { codeOf, describeFailure } from "../failure.ts";
import { formatAddress } from "../host-address.ts";
import type { CommandIo, TextOutput } from "../io.ts";
import { writeJsonLine } from "../terminal/json-lines.ts";
import { printable } from "../terminal/printable.ts";
import type { TunnelFlags } from "./flags.ts";
import { type Forwardings, inForce } from "./forwardings.ts";

/** Tells what becomes of a tunnel: lines for people, or JSON. */
export interface TunnelReport {
  readonly state: (state: TunnelState, exitCode: number) => void;
  readonly targetFailed: (failure: TargetFailure) => void;
  readonly mux: (event: TunnelMuxEvent) => void;
  /** What became of the hook that hears the ports. */
  readonly hook: (result: string, isDone: boolean) => void;
}

/** Opens the report for a destination. */
export function openTunnelReport(
  flags: TunnelFlags,
  destination: SshConnectOptions,
  forwardings: Forwardings,
  io: CommandIo,
): TunnelReport {
  return flags.json === true
    ? jsonReport(destination, forwardings, flags, io.stdout)
    : textReport(destination, forwardings, io, flags);
}

function jsonReport(
  { user, host, port: given }: SshConnectOptions,
  forwardings: Forwardings,
  flags: TunnelFlags,
  output: TextOutput,
): TunnelReport {
  // The mux server tells it.
  const port = given ?? (flags.mux === undefined ? 22 : undefined);
  const write = (event: string, value: Readonly<Record<string, unknown>>): void =>
    writeJsonLine(output, { time: new Date().toISOString(), event, ...value });
  return {
    state: (state, exitCode) => {
      switch (state.is) {
        case "connecting":
          write(state.is, { tries: state.tries, user, host, port });
          break;
        case "up":
          write(state.is, { forwardings: inForce(forwardings, state.ports, state.localPorts) });
          break;
        case "waiting": {
          const { tries, delayMs, error } = state;
          const retryAt = new Date(state.retryAt).toISOString();
          write(state.is, { tries, delayMs, retryAt, ...facts(error) });
          break;
        }
        case "failed":
          write(state.is, { ...facts(state.error), exitCode });
          break;
        case "closed":
          write(state.is, {});
          break;
      }
    },
    targetFailed: ({ target, origin, error }) =>
      write("connection-failed", { target: nameOf(target), origin, ...facts(error) }),
    mux: (event) => {
      switch (event.is) {
        case "asking":
          write("negotiating", { host: event.host });
          break;
        case "granted": {
          const { ports, sshPort, host: where, fingerprints, address } = event.answer;
          const told = address === undefined ? {} : { address };
          write("negotiated", { ports, host: where, sshPort, fingerprints, ...told });
          break;
        }
        case "kept":
          write("not-negotiated", { ports: event.answer.ports, ...facts(event.error) });
          break;
      }
    },
    hook: (result, isDone) => write("hook", { result, isDone }),
  };
}

function textReport(
  { user, host, port }: SshConnectOptions,
  forwardings: Forwardings,
  { stdout, stderr }: Pick<CommandIo, "stdout" | "stderr">,
  flags: TunnelFlags,
): TunnelReport {
  const isMux = flags.mux !== undefined;
  let where: string | undefined = isMux ? undefined : `${user}@${formatAddress(host, port ?? 22)}`;
  const say = (line: string): void => void stderr.write(`dialhome: ${line}\n`);
  const talk = (line: string): void => {
    if (flags.quiet !== true) say(printable(line));
  };
  return {
    state: (state) => {
      switch (state.is) {
        case "connecting":
          if (where !== undefined) talk(`connecting to ${where}`);
          break;
        case "up":
          for (const { kind, spec } of inForce(forwardings, state.ports, state.localPorts)) {
            stdout.write(`${kind === "remote" ? "-R" : "-L"} ${printable(spec)}\n`);
          }
          talk(`connected to ${where ?? host}`);
          break;
        case "waiting":
          say(
            `${describeFailure(state.error)}; next try in ${(state.delayMs / 1000).toFixed(1)} s`,
          );
          break;
        case "failed":
          say(describeFailure(state.error));
          break;
        case "closed":
          break;
      }
    },
    targetFailed: ({ target, origin, error }) => {
      const { address, port: from } = origin;
      const source = address === "" ? "" : ` from ${formatAddress(address, from)}`;
      talk(`a connection${source} to ${nameOf(target)} failed: ${error.message}`);
    },
    mux: (event) => {
      switch (event.is) {
        case "asking":
          talk(`asking ${event.host} for the port`);
          break;
        case "granted": {
          const { ports, host: told, sshPort } = event.answer;
          where = `${user}@${formatAddress(told, port ?? sshPort)}`;
          talk(`the port is ${ports.join(", ")}`);
          talk(`connecting to ${where}`);
          break;
        }
        case "kept":
          say(`${describeFailure(event.error)}; the port stays ${event.answer.ports.join(", ")}`);
          break;
      }
    },
    hook: (result, isDone) => {
      if (isDone) talk(`the hook: ${result}`);
      else say(printable(`the hook: ${result}`));
    },
  };
}

function facts(error: Error): { readonly code: string; readonly message: string } {
  return { code: codeOf(error), message: describeFailure(error) };
}

function nameOf(target: TargetFailure["target"]): string {
  return typeof target === "function" ? "a handler" : formatTarget(target);
}
