// npm run bench -- tunnels […], npm run bench -- power-loss, npm run bench -- mux, or npm run bench [-- W1 W3 … --rounds N --contenders A,B,dialhome --check]: see README.md beside this file.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bundle } from "../scripts/bundle.mjs";
import { startCutProxy } from "../test/support/cut-proxy.ts";
import { requirePeer } from "../test/support/peers.ts";
import { runOk } from "../test/support/processes.ts";
import type { Arena, Contender, RunCost } from "./contender.ts";
import { Chain } from "./contenders/chain.ts";
import { DialhomeBackup } from "./contenders/dialhome-backup.ts";
import { RsyncOverTcp } from "./contenders/rsync-over-tcp.ts";
import { type Figures, summarize, type WireBytes } from "./figures.ts";
import { describeMachine, touchMemory, workFolder } from "./machine.ts";
import { makeWorkload } from "./make-workload.ts";
import { benchMux } from "./mux/main.ts";
import { formatTable } from "./table.ts";
import { benchTunnels } from "./tunnels/main.ts";
import { benchPowerLoss } from "./tunnels/power-loss.ts";
import { isWorkloadName, WORKLOADS, type Workload, type WorkloadName } from "./workloads.ts";

/** What ssh2 negotiates as well: the denominator that shows the program and not the cipher. */
const LIKE_SSH2 = { cipher: "aes128-gcm@openssh.com", kex: "curve25519-sha256" };

const CONTENDERS = {
  A: () => new Chain("A", "rsync over ssh -R, as OpenSSH picks its algorithms"),
  B: () => new Chain("B", `rsync over ssh -R, ${LIKE_SSH2.cipher} and ${LIKE_SSH2.kex}`, LIKE_SSH2),
  dialhome: () => new DialhomeBackup(),
  plain: () => new RsyncOverTcp("plain", "real", "real"),
  "dialhome-rsync": () => new RsyncOverTcp("dialhome-rsync", "dialhome", "dialhome"),
  "dialhome-client": () => new RsyncOverTcp("dialhome-client", "dialhome", "real"),
  "dialhome-daemon": () => new RsyncOverTcp("dialhome-daemon", "real", "dialhome"),
} as const satisfies Record<string, () => Contender>;

type ContenderName = keyof typeof CONTENDERS;

const isContenderName = (name: string): name is ContenderName => Object.hasOwn(CONTENDERS, name);

/** What the original receiver passes as a plain user, with all permissions (-p) in place of the executable bit (-E). */
const RSYNC_OPTIONS = "-rltpHS --delete";

interface Plan {
  readonly workloads: readonly WorkloadName[];
  readonly contenders: readonly ContenderName[];
  readonly rounds: number;
  readonly rsyncOptions: readonly string[];
  readonly check: boolean;
  readonly folder: string;
}

function namesOf<T extends string>(
  texts: readonly string[],
  isName: (text: string) => text is T,
  known: Readonly<Record<T, unknown>>,
): T[] {
  return texts.map((text) => {
    if (isName(text)) return text;
    throw new Error(`${text} is none of ${Object.keys(known).join(", ")}`);
  });
}

function readPlan(args: readonly string[]): Plan {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rounds: { type: "string", default: "3" },
      contenders: { type: "string", default: "A,B,dialhome" },
      "rsync-options": { type: "string", default: RSYNC_OPTIONS },
      check: { type: "boolean", default: false },
      folder: { type: "string", default: workFolder() },
    },
  });
  const workloads = positionals.length > 0 ? positionals : ["W1", "W2", "W3", "W4", "W5"];
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error("--rounds takes a number from 1 on");
  return {
    workloads: namesOf(workloads, isWorkloadName, WORKLOADS),
    contenders: namesOf(values.contenders.split(","), isContenderName, CONTENDERS),
    rounds,
    rsyncOptions: values["rsync-options"].split(" "),
    check: values.check,
    folder: values.folder,
  };
}

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** The result must have the contents, types and times of the source; owners and modes are the profile's matter. */
async function check(contender: Contender, arena: Arena): Promise<void> {
  const compare = ["-nrltcO", "--itemize-changes", "--delete", `${arena.source}/`];
  const differences = await runOk(requirePeer("rsync"), [
    ...compare,
    `${contender.result(arena)}/`,
  ]);
  if (differences !== "")
    throw new Error(`${contender.name} differs:\n${differences.slice(0, 2_000)}`);
}

/** A run of its own through a relay that counts: the timed runs pay nothing for it. */
async function countWire(contender: Contender, arena: Arena): Promise<WireBytes> {
  await contender.prepare(arena);
  await using counter = new Relay();
  await contender.run(arena, (port) => counter.open(port));
  giveBack(contender, arena);
  return counter.bytes(contender);
}

/** What was made anew is removed: a million names of everybody are more than a tmpfs has. */
function giveBack(contender: Contender, arena: Arena): void {
  if (arena.workload.mode === "empty") rmSync(contender.result(arena), { recursive: true });
}

class Relay implements AsyncDisposable {
  #proxy: Awaited<ReturnType<typeof startCutProxy>> | undefined;

  async open(port: number): Promise<number> {
    this.#proxy = await startCutProxy({ port });
    return this.#proxy.port;
  }

  /** With ssh it is the device that dials; without, the host's client does. */
  bytes(contender: Contender): WireBytes {
    const { toServer = 0, toClient = 0 } = this.#proxy ?? {};
    const deviceDials = !(contender instanceof RsyncOverTcp);
    return deviceDials
      ? { toHost: toServer, toDevice: toClient }
      : { toHost: toClient, toDevice: toServer };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#proxy?.[Symbol.asyncDispose]();
  }
}

async function measure(workload: Workload, plan: Plan): Promise<Figures[]> {
  const root = mkdtempSync(join(plan.folder, "dialhome-bench-"));
  const stop = (): void => {
    rmSync(root, { recursive: true, force: true });
    process.exit(130);
  };
  process.once("SIGINT", stop).once("SIGTERM", stop);
  try {
    await makeWorkload(workload, root);
    const arenaOf = (name: string): Arena => {
      const scratch = join(root, name);
      mkdirSync(scratch, { recursive: true });
      const { rsyncOptions } = plan;
      return {
        workload,
        source: join(root, "src"),
        base: join(root, "base"),
        scratch,
        rsyncOptions,
      };
    };
    const entries = plan.contenders.map((name) => ({
      contender: CONTENDERS[name](),
      arena: arenaOf(name),
      runs: [] as RunCost[],
    }));
    for (let round = 0; round < plan.rounds; round++) {
      for (const { contender, arena, runs } of entries) {
        await contender.prepare(arena);
        touchMemory(root);
        runs.push(await contender.run(arena, async (port) => port));
        if (plan.check) await check(contender, arena);
        giveBack(contender, arena);
      }
    }
    const figures: Figures[] = [];
    for (const { contender, arena, runs } of entries) {
      figures.push(summarize(contender.name, runs, await countWire(contender, arena)));
    }
    return figures;
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
    rmSync(root, { recursive: true, force: true });
  }
}

async function benchBackups(args: readonly string[]): Promise<void> {
  const plan = readPlan(args);
  if (plan.contenders.some((name) => name.startsWith("dialhome"))) await bundle();
  say(await describeMachine());
  say(
    `in ${plan.folder}, rsync ${plan.rsyncOptions.join(" ")}, medians of ${plan.rounds} round(s), taking turns`,
  );
  for (const name of plan.contenders) say(`  ${name.padEnd(16)} ${CONTENDERS[name]().about}`);
  for (const name of plan.workloads) {
    say(`\n${name}: ${WORKLOADS[name].about}`);
    say(formatTable(await measure(WORKLOADS[name], plan)));
  }
}

const [first, ...rest] = process.argv.slice(2);
if (first === "tunnels") await benchTunnels(rest, say);
else if (first === "power-loss") await benchPowerLoss(rest, say);
else if (first === "mux") await benchMux(rest, say);
else await benchBackups(process.argv.slice(2));
