import { type ForwardSpec, formatForward, formatTarget, parseForward } from "@dialhome/ssh-reverse";
import { usageError } from "../errors.ts";
import { codeOf } from "../failure.ts";
import type { TunnelFlags } from "./flags.ts";

/** All forwardings of a tunnel. */
export interface Forwardings {
  readonly remote: readonly ForwardSpec[];
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

/** Reads `-R` and `-L`. */
export function parseForwardings(flags: Pick<TunnelFlags, "R" | "L">): Forwardings {
  return { remote: (flags.R ?? []).map(parse("-R")), local: (flags.L ?? []).map(parse("-L")) };
}

/** Those that are in force, in the order in which they were given: the remote ones first. */
export function inForce(
  { remote, local }: Forwardings,
  ports: readonly number[],
  localPorts: readonly number[],
): readonly ForwardingInForce[] {
  const describe =
    (kind: ForwardingInForce["kind"], got: readonly number[]) =>
    (spec: ForwardSpec, at: number): ForwardingInForce => {
      const port = "bindPath" in spec ? undefined : (got[at] ?? spec.bindPort);
      const told = "bindPath" in spec ? spec : { ...spec, bindPort: port ?? 0 };
      return { kind, spec: formatForward(told), port, target: formatTarget(spec.target) };
    };
  return [...remote.map(describe("remote", ports)), ...local.map(describe("local", localPorts))];
}

function parse(option: string): (text: string) => ForwardSpec {
  return (text) => {
    try {
      return parseForward(text);
    } catch (error) {
      if (codeOf(error) !== "ERR_SSH_REVERSE_OPTION" || !(error instanceof Error)) throw error;
      throw usageError(`${option} ${error.message.replace(/^forwarding /, "")}`);
    }
  };
}
