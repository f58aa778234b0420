// npm run bench -- mux [--seconds N]: what a flood of UDP packets costs a mux server, and whether devices get their ports meanwhile.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  createMuxServer,
  deriveCredential,
  type MuxCounters,
  type MuxServer,
  negotiate,
} from "@dialhome/mux-protocol";
import { MemoryRegistry } from "../../packages/mux-protocol/test/support/memory-registry.ts";
import { describeMachine } from "../machine.ts";

const SECRET = "a secret of sixteen bytes and more";
const FLOODER = fileURLToPath(new URL("flooder.ts", import.meta.url));

/** What must hold, with one core for the server. */
const PACKETS_PER_SECOND = 50_000;
const LAG_MS = 50;

/** Before it counts: the flooder makes its packets, the server's code becomes fast. */
const WARM_UP_MS = 3_000;
/** Devices that ask during a flood, one after the other. */
const DEVICES = 20;

/** Measures floods of both kinds: bytes without sense, and packets of the right form of which only a key can tell that they are forged. */
export async function benchMux(
  args: readonly string[],
  say: (line: string) => void,
): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { seconds: { type: "string", default: "5" } },
  });
  say(await describeMachine());
  for (const kind of ["random", "shaped"]) {
    await using server = await createMuxServer({
      secrets: SECRET,
      registry: new MemoryRegistry(),
      portRange: { from: 22_000, to: 22_999 },
      host: "127.0.0.1",
      port: 0,
    });
    // Of the devices that ask during the flood half were here before.
    for (let n = 0; n < DEVICES; n += 2) await ask(server, n);
    await using _flood = new Flood(server.port, kind);
    await pause(WARM_UP_MS);
    say(await measure(server, kind, Number(values.seconds) * 1000));
    const asked = performance.now();
    const answers = await Promise.allSettled(
      Array.from({ length: DEVICES }, async (_, n) => ask(server, n)),
    );
    const granted = answers.filter(({ status }) => status === "fulfilled").length;
    say(
      `  meanwhile ${granted} of ${DEVICES} devices got their ports, in ${(performance.now() - asked).toFixed(0)} ms`,
    );
  }
}

async function ask(server: MuxServer, device: number): Promise<void> {
  const identity = `device ${device}`;
  await negotiate({ host: "127.0.0.1", port: server.port, secret: SECRET, identity });
}

async function measure(server: MuxServer, kind: string, ms: number): Promise<string> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const before = server.counters();
  const cpu = process.cpuUsage();
  const start = performance.now();
  delay.enable();
  await pause(ms);
  delay.disable();
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - start) / 1000;
  const rate = (server.counters().received - before.received) / seconds;
  const cores = (user + system) / 1e6 / seconds;
  const lag = delay.max / 1e6;
  const holds = (rate >= PACKETS_PER_SECOND || cores < 0.95) && lag <= LAG_MS;
  return [
    `${kind}: ${rate.toFixed(0)} packets/s with ${cores.toFixed(2)} cores (${((cores / rate) * 1e6).toFixed(1)} µs each)`,
    `event loop ${(delay.percentile(99) / 1e6).toFixed(1)} ms at 99 %, ${lag.toFixed(1)} ms at most`,
    droppedSince(before, server.counters()),
    holds ? "holds" : `MISSED: ${PACKETS_PER_SECOND} packets/s or less than a core, ${LAG_MS} ms`,
  ].join("; ");
}

function droppedSince(before: MuxCounters, after: MuxCounters): string {
  const earlier = new Map(Object.entries(before.dropped));
  return Object.entries(after.dropped)
    .map(([why, count]) => ({ why, count: count - (earlier.get(why) ?? 0) }))
    .filter(({ count }) => count > 0)
    .map(({ why, count }) => `${why} ${count}`)
    .join(", ");
}

/** A process that sends and sends. */
class Flood implements AsyncDisposable {
  readonly #child: ChildProcess;

  constructor(port: number, kind: string) {
    const { hint } = deriveCredential(SECRET, Buffer.from("any"));
    const program = ["--conditions=@dialhome/source", "--import=tsx", FLOODER];
    this.#child = spawn(process.execPath, [...program, String(port), kind, String(hint)], {
      stdio: ["ignore", "inherit", "inherit"],
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }
}
