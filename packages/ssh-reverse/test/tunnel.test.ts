import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { generateKey, type SshServer } from "@dialhome/ssh-endpoint";
import {
  createTunnelServer,
  type NetworkChange,
  openTunnel,
  type Tunnel,
  type TunnelClock,
  type TunnelIdentity,
  type TunnelOptions,
  type TunnelState,
} from "@dialhome/ssh-reverse";
import { describe, expect, it } from "vitest";

const HOST_KEY = generateKey();
const CLIENT_KEY = generateKey();

async function startServer(
  options: { readonly port?: number; readonly keys?: string; readonly isRefusing?: boolean } = {},
): Promise<
  { readonly server: SshServer<TunnelIdentity>; readonly port: number } & AsyncDisposable
> {
  const server = await createTunnelServer({
    hostKeys: [HOST_KEY.privateKey],
    authorizedKeys: { text: options.keys ?? CLIENT_KEY.publicLine },
    forwardPolicy: ({ bindPort }) =>
      options.isRefusing === true
        ? { is: "refused", why: "no" }
        : { is: "inProcess", port: bindPort },
  });
  const { port } = await server.listen(options.port ?? 0);
  return { server, port, [Symbol.asyncDispose]: () => server.close() };
}

/** Time stands still; each pause ends when the test says so. */
class TestClock implements TunnelClock {
  time = 1_000_000;
  readonly pauses: number[] = [];
  #wake: (() => void) | undefined;
  #waiters: (() => void)[] = [];

  now(): number {
    return this.time;
  }

  random(): number {
    return 0.5;
  }

  async pause(delayMs: number, signal: AbortSignal): Promise<void> {
    this.pauses.push(delayMs);
    for (const tell of this.#waiters.splice(0)) tell();
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  /** Resolves when the tunnel waits for the `count`th time. */
  async waiting(count: number): Promise<void> {
    while (this.pauses.length < count) {
      await new Promise<void>((resolve) => {
        this.#waiters.push(resolve);
      });
    }
  }

  wake(): void {
    this.#wake?.();
  }
}

function open(port: number, more: Partial<TunnelOptions> = {}): Tunnel {
  return openTunnel({
    host: "127.0.0.1",
    port,
    user: "device",
    auth: { privateKey: CLIENT_KEY.privateKey },
    hostKey: { fingerprints: [fingerprintOf()] },
    forwards: [{ bindPort: 2222, target: (channel) => void channel.end("from the device") }],
    ...more,
  });
}

/** A network that changes when the test says so. */
function fakeNetwork() {
  const watchers = new Set<(change: NetworkChange) => void>();
  return {
    watchers,
    watch: (onChange: (change: NetworkChange) => void): Disposable => {
      watchers.add(onChange);
      return { [Symbol.dispose]: () => void watchers.delete(onChange) };
    },
    change: (change: NetworkChange): void => {
      for (const tell of watchers) tell(change);
    },
  };
}

/** A relay that delivers nothing more once it is stalled, and keeps its connections open. */
async function startStallingProxy(
  port: number,
): Promise<{ readonly port: number; stall(): void } & AsyncDisposable> {
  const sockets: Socket[] = [];
  const proxy = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("data", (chunk: Buffer) => to.write(chunk));
      from.on("error", () => {});
      from.once("close", () => to.destroy());
      sockets.push(from);
    }
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = proxy.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    stall: () => {
      for (const socket of sockets) socket.pause();
    },
    async [Symbol.asyncDispose]() {
      const closed = once(proxy, "close");
      proxy.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

let fingerprint = "";
function fingerprintOf(): string {
  return fingerprint;
}

async function until(tunnel: Tunnel, is: TunnelState["is"]): Promise<TunnelState> {
  for await (const state of tunnel.states()) if (state.is === is) return state;
  throw new Error(`the tunnel ended before it was ${is}`);
}

describe("openTunnel", () => {
  it("is up when all forwardings are in force, and leads to its target", async () => {
    await using one = await startServer();
    [fingerprint = ""] = one.server.fingerprints;
    await using tunnel = open(one.port);
    await tunnel.up;
    expect(tunnel.state).toMatchObject({ is: "up", ports: [2222] });
    const [connection] = one.server.connections;
    const channel = await connection?.openForwarded("localhost", 2222);
    const [chunk] = channel === undefined ? [] : await once(channel, "data");
    expect(String(chunk)).toBe("from the device");
  });

  it("comes back when its server does", async () => {
    const clock = new TestClock();
    const first = await startServer();
    [fingerprint = ""] = first.server.fingerprints;
    await using tunnel = open(first.port, { clock });
    await tunnel.up;
    await first[Symbol.asyncDispose]();
    await clock.waiting(1);
    clock.wake(); // nobody is there yet
    await clock.waiting(2);
    expect(tunnel.state).toMatchObject({ is: "waiting", tries: 2 });
    await using second = await startServer({ port: first.port });
    clock.wake();
    await until(tunnel, "up");
    expect(second.server.connections.size).toBe(1);
    expect(clock.pauses).toEqual([500, 1_000]);
  });

  it("tries at once after a long healthy run", async () => {
    const clock = new TestClock();
    await using one = await startServer();
    [fingerprint = ""] = one.server.fingerprints;
    await using tunnel = open(one.port, { clock });
    await tunnel.up;
    clock.time += 60_000;
    for (const connection of one.server.connections) connection.destroy();
    await clock.waiting(1);
    expect(clock.pauses).toEqual([0]);
  });

  it("retryNow() ends a pause", async () => {
    const clock = new TestClock();
    await using one = await startServer({ isRefusing: true });
    [fingerprint = ""] = one.server.fingerprints;
    await using tunnel = open(one.port, { clock });
    await clock.waiting(1);
    tunnel.retryNow();
    await clock.waiting(2);
    expect(tunnel.state).toMatchObject({ is: "waiting", tries: 2 });
  });

  it("a refused forwarding means that the connection is over, and is tried again", async () => {
    const clock = new TestClock();
    await using one = await startServer({ isRefusing: true });
    [fingerprint = ""] = one.server.fingerprints;
    await using tunnel = open(one.port, { clock });
    await clock.waiting(1);
    expect(tunnel.state).toMatchObject({
      is: "waiting",
      error: { code: "ERR_SSH_ENDPOINT_DISCONNECTED" },
    });
    await Promise.all([...one.server.connections].map(({ closed }) => closed));
  });

  it("a refused key ends it for good", async () => {
    await using one = await startServer({ keys: "# nobody" });
    [fingerprint = ""] = one.server.fingerprints;
    await using tunnel = open(one.port);
    await expect(tunnel.up).rejects.toMatchObject({ code: "ERR_SSH_ENDPOINT_AUTHENTICATION" });
    expect((await tunnel.over).is).toBe("failed");
  });

  it("a host key that is not the pinned one ends it for good", async () => {
    await using one = await startServer();
    await using tunnel = open(one.port, {
      hostKey: { fingerprints: [`SHA256:${"A".repeat(43)}`] },
    });
    await expect(tunnel.up).rejects.toMatchObject({ code: "ERR_SSH_ENDPOINT_HOST_KEY_CHANGED" });
  });

  it("ends with its signal, in every state", async () => {
    await using one = await startServer();
    [fingerprint = ""] = one.server.fingerprints;
    const controller = new AbortController();
    const tunnel = open(one.port, { signal: controller.signal });
    await tunnel.up;
    controller.abort();
    expect(await tunnel.over).toEqual({ is: "closed" });
    const waiting = new AbortController();
    const clock = new TestClock();
    const second = open(1, { clock, signal: waiting.signal });
    await clock.waiting(1);
    waiting.abort();
    expect(await second.over).toEqual({ is: "closed" });
    const aborted = open(one.port, { signal: AbortSignal.abort() });
    expect(await aborted.over).toEqual({ is: "closed" });
    await expect(aborted.up).rejects.toThrow("closed before it was up");
  });

  it("a target that is not there is told to both sides, and the tunnel stays", async () => {
    await using one = await startServer();
    [fingerprint = ""] = one.server.fingerprints;
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const address = silent.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    silent.close();
    await once(silent, "close");
    const failures: string[] = [];
    await using tunnel = open(one.port, {
      forwards: [{ bindPort: 2222, target: { host: "127.0.0.1", port } }],
      onTargetFailure: ({ error }) => failures.push(error.message),
    });
    await tunnel.up;
    const [connection] = one.server.connections;
    await expect(connection?.openForwarded("localhost", 2222)).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_CHANNEL_REFUSED",
      facts: { reason: 2 },
    });
    expect(failures).toEqual([expect.stringContaining("ECONNREFUSED")]);
    expect(tunnel.state.is).toBe("up");
  });

  it("a handler that throws ends its connection, and the tunnel stays", async () => {
    await using one = await startServer();
    [fingerprint = ""] = one.server.fingerprints;
    const failures: string[] = [];
    await using tunnel = open(one.port, {
      forwards: [
        {
          bindPort: 2222,
          target: () => {
            throw new Error("a bug");
          },
        },
      ],
      onTargetFailure: ({ error }) => failures.push(error.message),
    });
    await tunnel.up;
    const [connection] = one.server.connections;
    const channel = await connection?.openForwarded("localhost", 2222);
    channel?.resume();
    await new Promise((resolve) => channel?.once("close", resolve));
    expect(failures).toEqual(["a bug"]);
    expect(tunnel.state.is).toBe("up");
  });

  it("asks a server that may be cut off for a sign of life when the network changes", async () => {
    const clock = new TestClock();
    const network = fakeNetwork();
    await using one = await startServer();
    [fingerprint = ""] = one.server.fingerprints;
    await using proxy = await startStallingProxy(one.port);
    await using tunnel = open(proxy.port, {
      clock,
      watchNetwork: network.watch,
      probeTimeoutMs: 150,
    });
    await tunnel.up;
    const before = tunnel.connection;
    network.change("addresses");
    // Answers come in order: with the refusal of this, the answer to the tunnel's question has come.
    await expect(before?.execute("nothing")).rejects.toThrow("refused");
    expect(tunnel.connection).toBe(before);
    proxy.stall();
    network.change("resumed");
    await clock.waiting(1);
    expect(tunnel.state).toMatchObject({
      is: "waiting",
      error: { code: "ERR_SSH_ENDPOINT_PEER_DEAD", message: expect.stringContaining("0.15 s") },
    });
    await tunnel[Symbol.asyncDispose]();
    expect(network.watchers.size).toBe(0);
  });

  it("waits no longer when the network changes", async () => {
    const clock = new TestClock();
    const network = fakeNetwork();
    await using tunnel = open(1, { clock, watchNetwork: network.watch });
    await clock.waiting(1);
    network.change("addresses");
    await clock.waiting(2);
    expect(tunnel.state).toMatchObject({ is: "waiting", tries: 2 });
  });

  it("without reconnect the end of the first connection is the end", async () => {
    const one = await startServer();
    [fingerprint = ""] = one.server.fingerprints;
    await using tunnel = open(one.port, { reconnect: false });
    await tunnel.up;
    await one[Symbol.asyncDispose]();
    expect(await tunnel.over).toMatchObject({
      is: "failed",
      error: { code: "ERR_SSH_ENDPOINT_CONNECTION_LOST" },
    });
  });

  it("needs a forwarding", () => {
    expect(() => open(1, { forwards: [] })).toThrow("a tunnel needs a forwarding");
  });
});

it("a server that lets in and never says whether it forwards is given up", async () => {
  await using server = await createTunnelServer({
    hostKeys: [HOST_KEY.privateKey],
    authorizedKeys: { text: CLIENT_KEY.publicLine },
    forwardPolicy: () => new Promise(() => {}),
  });
  const { port } = await server.listen(0);
  await using tunnel = open(port, { reconnect: false, answerTimeoutMs: 300 });
  expect(await tunnel.over).toMatchObject({
    is: "failed",
    error: {
      code: "ERR_SSH_ENDPOINT_TIMEOUT",
      message: expect.stringMatching(
        /^the peer did not say within 0\.3 s whether it forwards port/,
      ),
    },
  });
});
