import type { HostKeyFiles } from "../actions/host-keys.ts";
import type { AdmissionFlags } from "./admission.ts";
import type { ServeMuxFlags } from "./mux-settings.ts";

/** The options of `dialhome serve`, as they were written. */
export interface ServeFlags extends HostKeyFiles, AdmissionFlags, ServeMuxFlags {
  readonly listen?: string;
  readonly authorizedKeys?: string;
  readonly state?: string;
  readonly control?: string;
  readonly bindPolicy?: string;
  readonly ports?: string;
  readonly sockets?: string;
  readonly maxConnectionsPerKey?: string;
  readonly maxForwardsPerKey?: string;
  readonly maxChannelsPerKey?: string;
  readonly bandwidth?: string;
  readonly unused?: string;
  readonly idle?: string;
  readonly probe?: string;
  readonly probeInterval?: string;
  readonly drain?: string;
  readonly status?: boolean;
  readonly metrics?: string;
  readonly logFile?: string;
  readonly verbose?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
  readonly printUnit?: boolean;
}

/** Options whose value is a path, which a unit has to name in full. */
export const PATH_FLAGS: readonly (keyof ServeFlags)[] = [
  "authorizedKeys",
  "hostKey",
  "state",
  "control",
  "sockets",
  "logFile",
  "secretFile",
  "identDb",
];

/** Options that are about one run, and not for a unit. */
export const RUN_FLAGS: readonly (keyof ServeFlags)[] = ["status", "printUnit"];
