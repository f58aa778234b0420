import type { ProgramCost } from "./measured-program.ts";
import type { Workload } from "./workloads.ts";

/** Where a contender works, for one workload. */
export interface Arena {
  readonly workload: Workload;
  /** The device's tree. */
  readonly source: string;
  /** What the host has already, where the workload has that. */
  readonly base: string;
  /** A folder for everything else; removed after the workload. */
  readonly scratch: string;
  /** rsync's options of this comparison. */
  readonly rsyncOptions: readonly string[];
}

/** What one run took. */
export interface RunCost {
  /** From the start of the device's first process until the device and the pull have ended. */
  readonly wallSeconds: number;
  readonly programs: readonly ProgramCost[];
  /** CPU of the host from the moment it was ready, where it stays for the next backup. */
  readonly residentHostCpuSeconds?: number;
}

/**
 * Leads a connection through a relay that counts bytes, in the round that is not timed; gives the port back as it is in all others.
 */
export type Route = (port: number) => Promise<number>;

/** Someone who can pull `source`. Contenders take turns; each run starts from the same state. */
export interface Contender {
  readonly name: string;
  /** What it stands for, one line. */
  readonly about: string;
  /** Brings its side of the arena to the state before a run; not measured. */
  prepare(arena: Arena): Promise<void>;
  run(arena: Arena, route: Route): Promise<RunCost>;
  /** The tree that the last run made, to be compared with the source. */
  result(arena: Arena): string;
}
