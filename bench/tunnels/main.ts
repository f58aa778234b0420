import { parseArgs } from "node:util";
import { describeMachine } from "../machine.ts";
import { type BulkRun, type Direction, measureBulk, measureInProcess, OPEN } from "./bulk.ts";
import { atLeastTimes, atMost, atMostTimes, cellsOf, formatCells, type Row } from "./rows.ts";
import { measureFirstByte, measureHandshakes, measureIdle, measureSshdMemory } from "./short.ts";

const MB = 1e6;
const DIRECTIONS: readonly Direction[] = ["up", "down"];
const NAMES = ["dialhome", "OpenSSH"] as const;

/** Half a round trip of 200 ms. */
const ONE_WAY_MS = 100;

interface Amounts {
  readonly bulkBytes: number;
  /** OpenSSH's rate there is its window by the round trip, whatever the amount. */
  readonly farBytes: Readonly<Record<(typeof NAMES)[number], number>>;
  readonly connections: number;
  readonly handshakes: number;
  readonly idle: number;
}

const AMOUNTS: Amounts = {
  bulkBytes: 600 * MB,
  farBytes: { dialhome: 300 * MB, OpenSSH: 60 * MB },
  connections: 200,
  handshakes: 100,
  idle: 2_000,
};

const rate = (runs: readonly BulkRun[]): number[] => runs.map((run) => run.megabytesPerSecond);
const cost = (runs: readonly BulkRun[]): number[] => runs.map((run) => run.cpuSecondsPerGigabyte);

/** T1: as fast as it goes on one machine. */
async function bulk(rounds: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const direction of DIRECTIONS) {
    const theirs: BulkRun[] = [];
    const ours: BulkRun[] = [];
    const consumed: BulkRun[] = [];
    const within: BulkRun[] = [];
    for (let round = 0; round < rounds; round++) {
      const bytes = AMOUNTS.bulkBytes;
      theirs.push(await measureBulk(OPEN.OpenSSH, direction, bytes));
      ours.push(await measureBulk(OPEN.dialhome, direction, bytes));
      consumed.push(await measureInProcess(direction, bytes, "port"));
      within.push(await measureInProcess(direction, bytes, "process"));
    }
    const row = (what: string, runs: readonly BulkRun[]): Row => ({
      what: `bulk ${direction}, ${what}`,
      unit: "MB/s",
      ours: rate(runs),
      theirs: rate(theirs),
    });
    rows.push(
      { ...row("TCP at both ends", ours), bound: atLeastTimes(0.6) },
      row("in process at the host", consumed),
      { ...row("in process at both ends", within), bound: atLeastTimes(1) },
      { what: `bulk ${direction}, CPU`, unit: "s/GB", ours: cost(ours), theirs: cost(theirs) },
    );
  }
  return rows;
}

/** T2: a round trip of 200 ms. */
async function far(rounds: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const direction of DIRECTIONS) {
    const runs: Record<(typeof NAMES)[number], BulkRun[]> = { dialhome: [], OpenSSH: [] };
    for (let round = 0; round < rounds; round++) {
      for (const name of NAMES) {
        const bytes = AMOUNTS.farBytes[name];
        runs[name].push(await measureBulk(OPEN[name], direction, bytes, ONE_WAY_MS));
      }
    }
    rows.push({
      what: `bulk ${direction}, round trip of 200 ms`,
      unit: "MB/s",
      ours: rate(runs.dialhome),
      theirs: rate(runs.OpenSSH),
      bound: atLeastTimes(3),
    });
  }
  return rows;
}

/** T3: what people wait for. */
async function waits(rounds: number): Promise<Row[]> {
  const first: Record<(typeof NAMES)[number], number[]> = { dialhome: [], OpenSSH: [] };
  const ready: typeof first = { dialhome: [], OpenSSH: [] };
  const perSecond: typeof first = { dialhome: [], OpenSSH: [] };
  const cpu: typeof first = { dialhome: [], OpenSSH: [] };
  for (let round = 0; round < rounds; round++) {
    for (const name of NAMES) {
      first[name].push(...(await measureFirstByte(OPEN[name], AMOUNTS.connections)));
      const run = await measureHandshakes(name, AMOUNTS.handshakes);
      ready[name].push(run.readyMs);
      perSecond[name].push(run.perSecond);
      cpu[name].push(run.serverCpuMs);
    }
  }
  const row = (what: string, unit: string, of: typeof first): Row => ({
    what,
    unit,
    ours: of.dialhome,
    theirs: of.OpenSSH,
  });
  return [
    { ...row("first byte of a new connection", "ms", first), bound: atMost(3, "ms") },
    { ...row("login until ready", "ms", ready), bound: atMost(10, "ms") },
    row("logins, eight abreast", "1/s", perSecond),
    { ...row("the server's CPU of a login", "ms", cpu), bound: atMostTimes(0.25) },
  ];
}

/** T4: tunnels that only stand. */
async function idle(): Promise<Row[]> {
  const run = await measureIdle(AMOUNTS.idle, 15_000);
  const sshd = await measureSshdMemory();
  const count = AMOUNTS.idle.toLocaleString("en-GB");
  return [
    {
      what: `memory of an idle tunnel, of ${count}`,
      unit: "kB",
      ours: [run.bytesEach / 1000],
      theirs: [sshd / 1000],
      bound: atMost(40, "kB"),
    },
    {
      what: `CPU of ${count} idle tunnels`,
      unit: "% of a core",
      ours: [run.cpuShare * 100],
      theirs: [],
    },
  ];
}

const PARTS: Readonly<Record<string, (rounds: number) => Promise<Row[]>>> = {
  T1: bulk,
  T2: far,
  T3: waits,
  T4: idle,
};

/** `npm run bench -- tunnels [T1 … T4] [--rounds N]`: see README.md. Each part gives its lines when it is done. */
export async function benchTunnels(
  args: readonly string[],
  say: (line: string) => void,
): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { rounds: { type: "string", default: "3" } },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error("--rounds takes a number from 1 on");
  const names = positionals.length > 0 ? positionals : Object.keys(PARTS);
  say(await describeMachine());
  say(
    `medians of ${rounds} round(s), taking turns; the same ciphers and key exchange for everybody`,
  );
  for (const name of names) {
    const part = PARTS[name];
    if (part === undefined) throw new Error(`${name} is none of ${Object.keys(PARTS).join(", ")}`);
    say(`\n${formatCells(cellsOf(await part(rounds)), 2)}`);
  }
}
