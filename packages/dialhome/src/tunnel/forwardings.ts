import {
  type ForwardSpec,
  formatForward,
  formatTarget,
  type MuxForwardSpec,
  parseForward,
  parseRemoteForward,
} from "@dialhome/ssh-reverse";
import { usageError } from "../errors.ts";
import { codeOf } from "../failure.ts";
import type { TunnelFlags } from "./flags.ts";

/** All forwardings of a tunnel. */
export interface Forwardings {
  readonly remote: readonly (ForwardSpec | MuxForwardSpec)[];
  readonly local: readonly ForwardSpec[];
}

/** One of them, with the port that it got. */
export interface ForwardingInForce {
  readonly kind: "remote" | "local";
  /** As `-R` or `-L` takes it, with that port. */
  readonly spec: string;
  /** undefined for a unix socket. */
  readonly port: number | undefined;
  readonly target: string;
}

/** What is forwarded with `--mux` where no `-R` says it: the SSH server of this device. */
const MUX_DEFAULT = "mux:localhost:22";

/** Reads `-R` and `-L`. @throws DialhomeError */
export function parseForwardings(flags: Pick<TunnelFlags, "R" | "L" | "mux">): Forwardings {
  const isMux = flags.mux !== undefined;
  const written = flags.R ?? (isMux ? [MUX_DEFAULT] : []);
  const remote = written.map(parse("-R", parseRemoteForward));
  const isAsked = remote.some((spec) => "bindPort" in spec && spec.bindPort === "mux");
  if (isAsked && !isMux) throw usageError("-R mux:… needs --mux PORT, whom to ask for the port");
  if (isMux && !isAsked)
    throw usageError(`--mux needs a -R for its port, such as -R ${MUX_DEFAULT}`);
  return { remote, local: (flags.L ?? []).map(parse("-L", parseForward)) };
}

/** Those that are in force, in the order in which they were given: the remote ones first. */
export function inForce(
  { remote, local }: Forwardings,
  ports: readonly number[],
  localPorts: readonly number[],
): readonly ForwardingInForce[] {
  const describe =
    (kind: ForwardingInForce["kind"], got: readonly number[]) =>
    (spec: ForwardSpec | MuxForwardSpec, at: number): ForwardingInForce => {
      const port =
        "bindPath" in spec ? undefined : (got[at] ?? (spec.bindPort === "mux" ? 0 : spec.bindPort));
      const told = "bindPath" in spec ? spec : { ...spec, bindPort: port ?? 0 };
      return { kind, spec: formatForward(told), port, target: formatTarget(spec.target) };
    };
  return [...remote.map(describe("remote", ports)), ...local.map(describe("local", localPorts))];
}

function parse<Spec>(option: string, read: (text: string) => Spec): (text: string) => Spec {
  return (text) => {
    try {
      return read(text);
    } catch (error) {
      if (codeOf(error) !== "ERR_SSH_REVERSE_OPTION" || !(error instanceof Error)) throw error;
      throw usageError(`${option} ${error.message.replace(/^forwarding /, "")}`);
    }
  };
}
