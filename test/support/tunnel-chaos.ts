import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { generateKey } from "@dialhome/ssh-endpoint";
import { createTunnelServer, openTunnel, type Tunnel } from "@dialhome/ssh-reverse";
import { type BadNetwork, startBadProxy } from "./bad-proxy.ts";
import { seededRandom } from "./random.ts";

/** Tunnels of one server, and the bad network between. */
export interface ChaosOptions extends BadNetwork {
  readonly tunnels: number;
  readonly chaosMs: number;
  /** The longest pause of a tunnel, ms. */
  readonly maxDelayMs: number;
  /** Also the time for a login on the server, ms. */
  readonly connectTimeoutMs: number;
  /** A dead peer is found after three of them, ms. */
  readonly keepaliveIntervalMs: number;
  /** Bytes of one echo. */
  readonly echoBytes: number;
}

/** What was seen. */
export interface ChaosFigures {
  /** Connections that were cut, reset or black-holed. */
  readonly strikes: number;
  /** Times that a tunnel came up, and that it lost its connection or did not get one. */
  readonly ups: number;
  readonly losses: number;
  /** Echoes that came back whole during the chaos, and such as broke off; of all that came back each byte was right. */
  readonly echoes: number;
  readonly brokenEchoes: number;
  /** Tunnels that gave an echo after the chaos. */
  readonly answered: number;
  /** From the end of the chaos until the last tunnel was up for good, ms. */
  readonly allUpMs: number;
  /** The longest time from a loss that was noticed (or from the end of the chaos) until the tunnel was up for good, ms. */
  readonly slowestReturnMs: number;
}

interface Watched {
  readonly tunnel: Tunnel;
  ups: number;
  losses: number;
  lostAt: number;
  upAt: number;
}

/** Lets tunnels meet chaos, ends it, and waits until every one answers. @throws Error when a tunnel ends, or an echo is not what was sent */
export async function tunnelChaos(options: ChaosOptions): Promise<ChaosFigures> {
  const { tunnels: count, connectTimeoutMs, keepaliveIntervalMs } = options;
  const device = generateKey();
  const times = { keepaliveIntervalMs, keepaliveCountMax: 3 };
  await using server = await createTunnelServer({
    hostKeys: [generateKey().privateKey],
    authorizedKeys: { text: device.publicLine },
    forwardPolicy: () => ({ is: "listen", host: "127.0.0.1", port: 0 }),
    // All come from one address with one key, and half of them break off before their login.
    startups: { start: 10 * count, rate: 0.3, full: 20 * count },
    startupsPerSource: 10 * count,
    connectionsPerSource: 20 * count,
    perKey: { connections: 20 * count, forwards: 20 * count },
    penalties: false,
    loginGraceMs: connectTimeoutMs,
    ...times,
  });
  const { port } = await server.listen(0);
  await using proxy = await startBadProxy(port, options);
  const watched = Array.from({ length: count }, (_, at): Watched => {
    const tunnel = openTunnel({
      host: "127.0.0.1",
      port: proxy.port,
      user: `device${at}`,
      auth: { privateKey: device.privateKey },
      hostKey: { fingerprints: server.fingerprints },
      connectTimeoutMs,
      reconnect: { minDelayMs: options.maxDelayMs / 10, maxDelayMs: options.maxDelayMs },
      forwards: [{ bindPort: 0, target: (channel) => void channel.pipe(channel) }],
      ...times,
    });
    tunnel.up.catch(() => {});
    return { tunnel, ups: 0, losses: 0, lostAt: 0, upAt: 0 };
  });
  const followed = watched.map(follow);
  const sent = seededRandom(`${options.seed}: data`).bytes(options.echoBytes);
  const echoes = { whole: 0, broken: 0 };
  const chaos = new AbortController();
  const traffic = async ({ tunnel }: Watched, at: number): Promise<void> => {
    while (!chaos.signal.aborted) {
      const { state } = tunnel;
      if (state.is !== "up") {
        await pause(50);
        continue;
      }
      if (await echo(state.ports[0] ?? 0, sent)) echoes.whole++;
      else echoes.broken++;
      await pause(500 + at); // not all in step
    }
  };
  try {
    const talking = Promise.all(watched.map(traffic));
    await pause(options.chaosMs);
    proxy.calm();
    chaos.abort();
    const calmAt = performance.now();
    // Those that hang in a black hole find out within their keepalive's bound.
    const answers = await Promise.all(watched.map(({ tunnel }) => answer(tunnel, sent)));
    await talking;
    const sum = (of: (one: Watched) => number): number =>
      watched.reduce((total, one) => total + of(one), 0);
    const most = (of: (one: Watched) => number): number =>
      Math.max(0, ...watched.map((one) => Math.round(of(one))));
    return {
      strikes: proxy.strikes,
      ups: sum(({ ups }) => ups),
      losses: sum(({ losses }) => losses),
      echoes: echoes.whole,
      brokenEchoes: echoes.broken,
      answered: answers.filter(Boolean).length,
      allUpMs: most(({ upAt }) => upAt - calmAt),
      slowestReturnMs: most(({ lostAt, upAt }) => upAt - Math.max(lostAt, calmAt)),
    };
  } finally {
    chaos.abort();
    await Promise.all(watched.map(({ tunnel }) => tunnel[Symbol.asyncDispose]()));
    await Promise.all(followed);
  }
}

/** Notes when a tunnel came up and fell. */
async function follow(watched: Watched): Promise<void> {
  for await (const { is } of watched.tunnel.states()) {
    if (is === "up") {
      watched.ups++;
      watched.upAt = performance.now();
    } else if (is === "waiting") {
      watched.losses++;
      watched.lostAt = performance.now();
    }
  }
}

/** Whether the tunnel gives an echo, on this link or a later one. */
async function answer(tunnel: Tunnel, sent: Buffer): Promise<boolean> {
  for await (const state of tunnel.states()) {
    if (state.is !== "up") continue;
    if (await echo(state.ports[0] ?? 0, sent)) return true;
    // else this link fell under it: the next one counts
  }
  throw new Error(`a tunnel ended: ${tunnel.state.is}`);
}

/** Whether all came back. @throws Error when something else came */
async function echo(port: number, sent: Buffer): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  let bytes = 0;
  let isFalse = false;
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => {
    isFalse ||= !chunk.equals(sent.subarray(bytes, bytes + chunk.length));
    bytes += chunk.length;
    if (bytes >= sent.length) socket.destroy();
  });
  socket.write(sent);
  await new Promise((resolve) => socket.once("close", resolve));
  if (isFalse) throw new Error("an echo is not what was sent");
  return bytes === sent.length;
}

/** TCP handles of this process. */
export const tcpHandles = (): number =>
  process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length;
