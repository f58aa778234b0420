import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { requirePeer } from "../../test/support/peers.ts";
import { freePort, waitForPort } from "../../test/support/ports.ts";
import type { Arena, Contender, Route, RunCost } from "../contender.ts";
import { MeasuredProgram, type ProgramSetting } from "../measured-program.ts";
import { Destination } from "./destination.ts";
import { makeKeys, writeKnownHosts } from "./keys.ts";
import { LOGIN, realDaemon, realSshd } from "./real-programs.ts";

/** What OpenSSH is told to negotiate; nothing means its own choice. */
export interface Algorithms {
  readonly cipher?: string;
  readonly kex?: string;
}

/**
 * What a user has without dialhome, all real programs:
 *
 *     rsync --daemon  <-  ssh -R  ->  sshd  <-  rsync client        device | host
 */
export class Chain implements Contender {
  readonly name: string;
  readonly about: string;
  readonly #algorithms: Algorithms;
  readonly #destination = new Destination();

  constructor(name: string, about: string, algorithms: Algorithms = {}) {
    this.name = name;
    this.about = about;
    this.#algorithms = algorithms;
  }

  prepare(arena: Arena): Promise<void> {
    return this.#destination.prepare(arena);
  }

  result(): string {
    return this.#destination.path;
  }

  async run(arena: Arena, route: Route): Promise<RunCost> {
    const folder = mkdtempSync(join(arena.scratch, "chain-"));
    const programs: MeasuredProgram[] = [];
    const start = (setting: ProgramSetting): MeasuredProgram => {
      const program = new MeasuredProgram(setting, folder);
      programs.push(program);
      return program;
    };
    try {
      await makeKeys(folder);
      if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true }); // sshd wants it
      const sshPort = await freePort();
      const sshd = start({ role: "sshd", side: "host", argv: realSshd(folder, sshPort) });
      await waitForPort(sshPort);
      const [daemonPort, forwardedPort] = [await freePort(), await freePort()];
      const toHost = await route(sshPort);

      const startedAt = performance.now();
      const daemonArgv = realDaemon(arena, folder, daemonPort);
      const daemon = start({ role: "rsync daemon", side: "device", argv: daemonArgv });
      const log = join(folder, "ssh.log");
      const forwarding = `127.0.0.1:${forwardedPort}:127.0.0.1:${daemonPort}`;
      const ssh = start({
        role: "ssh",
        side: "device",
        argv: [...this.#ssh(folder, log, toHost), "-R", forwarding, "-s", "127.0.0.1", "hold"],
        holdInput: true,
      });
      await ssh.until("remote forwarding", () => (forwardIsUp(log) ? true : undefined));
      await waitForPort(daemonPort);
      const client = start({
        role: "rsync client",
        side: "host",
        argv: [
          requirePeer("rsync"),
          ...this.#destination.options(arena),
          `rsync://${LOGIN.user}@127.0.0.1:${forwardedPort}/bench/.`,
          `${this.#destination.path}/.`,
        ],
        env: { RSYNC_PASSWORD: LOGIN.password },
      });
      await client.succeed();
      ssh.endInput();
      await ssh.succeed();
      const wallSeconds = (performance.now() - startedAt) / 1_000;
      await daemon.stop(); // sleeps 0.4 s on its way out; nobody waits for that
      await sshd.stop();
      return { wallSeconds, programs: programs.map((program) => program.cost()) };
    } finally {
      for (const program of programs) await program[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    }
  }

  #ssh(folder: string, log: string, port: number): string[] {
    const { cipher, kex } = this.#algorithms;
    const options = [
      "BatchMode=yes",
      "ExitOnForwardFailure=yes",
      "ControlPath=none",
      "IdentitiesOnly=yes",
      `UserKnownHostsFile=${writeKnownHosts(folder, port)}`,
      ...(cipher === undefined ? [] : [`Ciphers=${cipher}`]),
      ...(kex === undefined ? [] : [`KexAlgorithms=${kex}`]),
    ];
    const identity = ["-i", join(folder, "user"), "-p", String(port)];
    const settings = options.map((option) => `-o${option}`);
    return [requirePeer("ssh"), "-v", "-E", log, "-F", "none", "-T", ...settings, ...identity];
  }
}

function forwardIsUp(log: string): boolean {
  try {
    return readFileSync(log, "utf8").includes("remote forward success");
  } catch {
    return false; // not written yet
  }
}
