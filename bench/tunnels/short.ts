import {
  DialhomeHost,
  type Host,
  type OpenTunnel,
  startDevice,
  startOpenSshHost,
} from "./contenders.ts";
import { cpuSeconds, residentBytes, sessionBytes } from "./process-cost.ts";
import { startGreeter, timeToFirstByte } from "./pump.ts";

/** Connections that are made before it counts: everybody is warm after them. */
const WARM_UP = 100;

/** Time to the first byte of a new connection through a tunnel that stands, ms: each of so many, one after the other. */
export async function measureFirstByte(
  open: (target: number) => Promise<OpenTunnel>,
  count: number,
): Promise<number[]> {
  await using greeter = await startGreeter();
  await using tunnel = await open(greeter.port);
  const times: number[] = [];
  for (let at = 0; at < WARM_UP + count; at++) times.push(await timeToFirstByte(tunnel.port));
  return times.slice(WARM_UP);
}

/** What a login costs. */
export interface HandshakeRun {
  /** From the first packet to the ready connection, one after the other, ms. */
  readonly readyMs: number;
  /** Eight side by side. */
  readonly perSecond: number;
  /** CPU time of the server and its processes, for each. */
  readonly serverCpuMs: number;
}

const START_HOST: Readonly<Record<"OpenSSH" | "dialhome", () => Promise<Host>>> = {
  OpenSSH: startOpenSshHost,
  dialhome: () => DialhomeHost.start(),
};

/** The client is ours at both servers. */
export async function measureHandshakes(
  name: "OpenSSH" | "dialhome",
  count: number,
): Promise<HandshakeRun> {
  await using host = await START_HOST[name]();
  await using device = await startDevice(host);
  await device.ask({ ask: "handshakes", count: WARM_UP, abreast: 1 });
  const before = cpuSeconds(host.pid, true);
  const single = await device.ask({ ask: "handshakes", count, abreast: 1 });
  const many = await device.ask({ ask: "handshakes", count, abreast: 8 });
  const done = Number(single["done"]) + Number(many["done"]);
  return {
    readyMs: Number(single["medianMs"]),
    perSecond: Number(many["done"]) / Number(many["seconds"]),
    serverCpuMs: ((cpuSeconds(host.pid, true) - before) * 1000) / done,
  };
}

/** What tunnels cost that only stand: the server's memory for each, in bytes, and CPU in parts of a core with all of them. */
export interface IdleRun {
  readonly bytesEach: number;
  readonly cpuShare: number;
  readonly secondsToOpen: number;
}

/** Many tunnels of one process to one process, each with a listener. */
export async function measureIdle(count: number, watchMs: number): Promise<IdleRun> {
  await using host = await DialhomeHost.start({ nodeFlags: ["--expose-gc"] });
  await using device = await startDevice(host);
  const settled = async (): Promise<number> => {
    await host.process.ask({ ask: "collect" });
    return residentBytes(host.pid);
  };
  // What the first ones load is not theirs, nor the room for short-lived things that a burst of logins makes V8 take, once.
  await device.ask({ ask: "handshakes", count: 300, abreast: 8 });
  const before = await settled();
  const began = performance.now();
  await device.ask({ ask: "idle", count });
  const secondsToOpen = (performance.now() - began) / 1000;
  const after = await settled();
  const cpuBefore = cpuSeconds(host.pid);
  await new Promise((resolve) => {
    setTimeout(resolve, watchMs);
  });
  const cpuShare = (cpuSeconds(host.pid) - cpuBefore) / (watchMs / 1000);
  return { bytesEach: (after - before) / count, cpuShare, secondsToOpen };
}

/** The same of sshd: its processes of one tunnel, with their share of what is shared. */
export async function measureSshdMemory(): Promise<number> {
  await using host = await startOpenSshHost();
  await using device = await startDevice(host);
  await device.ask({ ask: "idle", count: 10 });
  return sessionBytes(host.pid) / 10;
}
