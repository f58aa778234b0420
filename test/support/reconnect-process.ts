/** Run as a process of its own, with --expose-gc: a tunnel server and a device that comes back ARGV[2] times; prints what the process held before and after. */
import { getEventListeners, once } from "node:events";
import { writeSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { connectSsh, generateKey } from "@dialhome/ssh-endpoint";
import { createTunnelServer, openTunnel, type TunnelState } from "@dialhome/ssh-reverse";
import { freePort } from "./ports.ts";
import { type ProcessResources, processResources } from "./process-resources.ts";

/** What it prints, as JSON. */
export interface ReconnectFigures {
  readonly before: ProcessResources & { readonly signalListeners: number };
  readonly after: ProcessResources & { readonly signalListeners: number };
  /** How often the device was let in. */
  readonly logins: number;
  readonly seconds: number;
}

const WARM_UP = 100;
const count = Number(process.argv[2]);
const device = generateKey();
let logins = 0;
const owner = new AbortController();
const server = await createTunnelServer({
  hostKeys: [generateKey().privateKey],
  authorizedKeys: { text: device.publicLine },
  penalties: false, // all come from one address
  signal: owner.signal,
  onEvent: ({ is }) => {
    if (is === "opened") logins++;
  },
});
const { port } = await server.listen(0);
const forwarded = await freePort();
const login = {
  host: "127.0.0.1",
  port,
  user: "device",
  auth: { privateKey: device.privateKey },
  hostKey: { fingerprints: server.fingerprints },
  signal: owner.signal,
};
const tunnel = openTunnel({
  ...login,
  reconnect: { minDelayMs: 1, maxDelayMs: 5 },
  forwards: [{ bindPort: forwarded, target: (channel) => void channel.pipe(channel) }],
});

async function untilUp(not?: TunnelState): Promise<TunnelState> {
  for await (const state of tunnel.states()) if (state.is === "up" && state !== not) return state;
  throw new Error("the tunnel ended");
}

async function expectEcho(): Promise<void> {
  const socket = connect(forwarded, "127.0.0.1");
  socket.write("here");
  const [data] = (await once(socket, "data")) as [Buffer];
  const closed = once(socket, "close");
  socket.destroy();
  await closed;
  if (data.toString() !== "here") throw new Error("no echo");
}

/** Ways to lose a link: broken off by the device, by the server, ended in good order, and taken by another connection of the device. */
const LOSSES: readonly (() => Promise<void>)[] = [
  async () => tunnel.connection?.destroy(),
  async () => {
    for (const connection of server.connections) connection.destroy();
  },
  async () => {
    for (const connection of server.connections) await connection.end("come back");
  },
  async () => {
    await using other = await connectSsh(login);
    await other.forward({ bindPort: forwarded, onChannel: (channel) => channel.destroy() });
    await other.closed; // the tunnel took its port back
  },
];

async function comeBack(times: number): Promise<void> {
  for (let at = 0; at < times; at++) {
    const before = await untilUp();
    await LOSSES[at % LOSSES.length]?.();
    await untilUp(before);
    await expectEcho();
  }
}

async function held(): Promise<ReconnectFigures["before"]> {
  await pause(1_000); // what was closed last is closed by then
  return {
    ...processResources(),
    signalListeners: getEventListeners(owner.signal, "abort").length,
  };
}

await comeBack(WARM_UP);
const before = await held();
const loginsBefore = logins;
const started = performance.now();
await comeBack(count);
const seconds = (performance.now() - started) / 1000;
const after = await held();
await tunnel[Symbol.asyncDispose]();
await server.close();
const figures: ReconnectFigures = { before, after, logins: logins - loginsBefore, seconds };
writeSync(1, JSON.stringify(figures));
