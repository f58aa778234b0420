import { performance } from "node:perf_hooks";
import {
  DialhomeHost,
  type NodeFlags,
  type OpenTunnel,
  openDialhomeTunnel,
  openOpenSshTunnel,
  startDevice,
} from "./contenders.ts";
import { cpuSeconds } from "./process-cost.ts";
import { readFrom, startGiver, startTaker, writeTo } from "./pump.ts";

/** One transfer. */
export interface BulkRun {
  readonly megabytesPerSecond: number;
  readonly cpuSecondsPerGigabyte: number;
}

/** `up` is from the host's port to behind the device, `down` the other way. */
export type Direction = "up" | "down";

type Open = typeof openDialhomeTunnel;

export const OPEN: Readonly<Record<"OpenSSH" | "dialhome", Open>> = {
  OpenSSH: openOpenSshTunnel,
  dialhome: openDialhomeTunnel,
};

function runOf(bytes: number, seconds: number, cpu: number): BulkRun {
  return {
    megabytesPerSecond: bytes / 1e6 / seconds,
    cpuSecondsPerGigabyte: (cpu / bytes) * 1e9,
  };
}

async function transfer(
  tunnel: OpenTunnel,
  bytes: number,
  work: () => Promise<number>,
): Promise<BulkRun> {
  const before = tunnel.cpuSeconds();
  const began = performance.now();
  const count = await work();
  const seconds = (performance.now() - began) / 1000;
  if (count !== bytes) throw new Error(`${count} bytes arrived of ${bytes}`);
  return runOf(bytes, seconds, tunnel.cpuSeconds() - before);
}

/** Through TCP at both ends; `delayMs` each way between the device and its host. */
export async function measureBulk(
  open: Open,
  direction: Direction,
  bytes: number,
  delayMs = 0,
): Promise<BulkRun> {
  if (direction === "up") {
    await using taker = await startTaker();
    await using tunnel = await open(taker.port, delayMs);
    return await transfer(tunnel, bytes, async () => {
      const taken = taker.taken();
      await writeTo(tunnel.port, bytes);
      return taken;
    });
  }
  await using giver = await startGiver(bytes);
  await using tunnel = await open(giver.port, delayMs);
  return await transfer(tunnel, bytes, () => readFrom(tunnel.port));
}

/**
 * The channel is consumed in the server's process, as a backup host does; what the device gives or takes is behind a port of
 * its own, or in its process too.
 */
export async function measureInProcess(
  direction: Direction,
  bytes: number,
  device: "port" | "process",
  nodeFlags: NodeFlags = {},
): Promise<BulkRun> {
  await using host = await DialhomeHost.start({ inProcess: true, nodeFlags: nodeFlags.host ?? [] });
  await using client = await startDevice(host, host.port, nodeFlags.device);
  await using end = await (direction === "up" ? startTaker() : startGiver(bytes));
  if (device === "port") await client.ask({ ask: "tunnel", target: end.port });
  else await client.ask({ ask: direction === "up" ? "sink" : "source", bytes });
  const cpu = (): number => cpuSeconds(host.pid) + cpuSeconds(client.pid);
  const before = cpu();
  const { seconds } = await host.process.ask({ ask: direction === "up" ? "push" : "pull", bytes });
  return runOf(bytes, Number(seconds), cpu() - before);
}
