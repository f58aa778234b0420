import type { RunCost } from "./contender.ts";
import type { Side } from "./measured-program.ts";

/** Bytes at the TCP socket between device and host. */
export interface WireBytes {
  readonly toHost: number;
  readonly toDevice: number;
}

/** Medians of a contender's rounds in one workload. */
export interface Figures {
  readonly name: string;
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  readonly deviceCpuSeconds: number;
  readonly hostCpuSeconds: number;
  readonly residentHostCpuSeconds: number | undefined;
  /** Peak resident MiB of each program. */
  readonly peakRssMiB: ReadonlyMap<string, number>;
  readonly wire: WireBytes | undefined;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low = Number.NaN, high = Number.NaN] = [
    sorted[Math.ceil(middle) - 1],
    sorted[Math.floor(middle)],
  ];
  return (low + high) / 2;
}

const cpuOf = (run: RunCost, side?: Side): number =>
  run.programs
    .filter((program) => side === undefined || program.side === side)
    .reduce((sum, program) => sum + program.cpuSeconds, 0);

export function summarize(
  name: string,
  runs: readonly RunCost[],
  wire: WireBytes | undefined,
): Figures {
  const resident = runs.flatMap((run) => run.residentHostCpuSeconds ?? []);
  const roles = new Set(runs.flatMap((run) => run.programs.map(({ role }) => role)));
  const peaks = [...roles].map((role): [string, number] => {
    const sizes = runs.flatMap((run) =>
      run.programs.filter((program) => program.role === role).map((program) => program.peakRssKiB),
    );
    return [role, median(sizes) / 1_024];
  });
  return {
    name,
    wallSeconds: median(runs.map((run) => run.wallSeconds)),
    cpuSeconds: median(runs.map((run) => cpuOf(run))),
    deviceCpuSeconds: median(runs.map((run) => cpuOf(run, "device"))),
    hostCpuSeconds: median(runs.map((run) => cpuOf(run, "host"))),
    residentHostCpuSeconds: resident.length === 0 ? undefined : median(resident),
    peakRssMiB: new Map(peaks),
    wire,
  };
}
