import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { requirePeer } from "../../test/support/peers.ts";
import { freePort, waitForPort } from "../../test/support/ports.ts";
import type { Arena, Contender, Route, RunCost } from "../contender.ts";
import { MeasuredProgram } from "../measured-program.ts";
import { Destination } from "./destination.ts";
import { BUILT_DIALHOME } from "./dialhome-program.ts";
import { LOGIN, realDaemon, writeSecrets } from "./real-programs.ts";

/** Whose program plays a role. */
export type Maker = "real" | "dialhome";

/** An rsync pull without ssh: the real programs, ours, or one of each. Like for like with `rsync` in place and onto a copy. */
export class RsyncOverTcp implements Contender {
  readonly name: string;
  readonly about: string;
  readonly #client: Maker;
  readonly #daemon: Maker;
  readonly #destination = new Destination();

  constructor(name: string, client: Maker, daemon: Maker) {
    this.name = name;
    this.about = `no ssh: ${client} rsync client, ${daemon} rsync daemon`;
    this.#client = client;
    this.#daemon = daemon;
  }

  prepare(arena: Arena): Promise<void> {
    return this.#destination.prepare(arena);
  }

  result(): string {
    return this.#destination.path;
  }

  async run(arena: Arena, route: Route): Promise<RunCost> {
    const folder = mkdtempSync(join(arena.scratch, "tcp-"));
    try {
      const port = await freePort();
      const toDaemon = await route(port);
      const startedAt = performance.now();
      await using daemon = new MeasuredProgram(
        {
          role: `${this.#daemon} daemon`,
          side: "device",
          argv:
            this.#daemon === "real"
              ? realDaemon(arena, folder, port)
              : ourDaemon(arena, folder, port),
        },
        folder,
      );
      await waitForPort(port);
      await using client = new MeasuredProgram(
        {
          role: `${this.#client} client`,
          side: "host",
          argv: [
            ...(this.#client === "real" ? [requirePeer("rsync")] : [...BUILT_DIALHOME, "rsync"]),
            ...this.#destination.options(arena),
            `rsync://${LOGIN.user}@127.0.0.1:${toDaemon}/bench/`,
            `${this.#destination.path}/`,
          ],
          env: { RSYNC_PASSWORD: LOGIN.password },
        },
        folder,
      );
      await client.succeed();
      const wallSeconds = (performance.now() - startedAt) / 1_000;
      await daemon.stop();
      return { wallSeconds, programs: [daemon.cost(), client.cost()] };
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
}

/** The arguments of our daemon with one module, `bench`. */
function ourDaemon(arena: Arena, folder: string, port: number): string[] {
  const login = [`--auth-user=${LOGIN.user}`, `--secrets-file=${writeSecrets(folder)}`];
  const module = `--module=bench=${arena.source}`;
  return [...BUILT_DIALHOME, "rsyncd", module, `--listen=127.0.0.1:${port}`, ...login, "--quiet"];
}
