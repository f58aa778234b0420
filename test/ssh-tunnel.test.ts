// openTunnel() against the real sshd: what `ssh -N -R -L` and autossh do together.
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import {
  type ForwardSpec,
  type ForwardTarget,
  openTunnel,
  parseForward,
  type TargetFailure,
  type Tunnel,
  type TunnelOptions,
  type TunnelState,
} from "@dialhome/ssh-reverse";
import { expect, it } from "vitest";
import { describeWithPeers } from "./support/peers.ts";
import { freePort } from "./support/ports.ts";
import { readToEnd } from "./support/ssh-read.ts";
import { type Sshd, startSshd } from "./support/ssh-sshd.ts";

function tunnelTo(sshd: Sshd, options: Partial<TunnelOptions>): Tunnel {
  return openTunnel({
    host: sshd.host,
    port: sshd.port,
    user: sshd.user,
    auth: { privateKeyPath: sshd.clientKey.privatePath },
    hostKey: { knownHosts: [{ path: sshd.knownHostsPath }] },
    reconnect: { minDelayMs: 20, maxDelayMs: 100 },
    ...options,
  });
}

function remoteTunnel(sshd: Sshd, target: ForwardTarget, bindPort = 0): Tunnel {
  return tunnelTo(sshd, { forwards: [{ bindPort, target }] });
}

type Up = Extract<TunnelState, { is: "up" }>;

/** The next state in which the tunnel is up, other than one before. */
async function untilUp(tunnel: Tunnel, not?: TunnelState): Promise<Up> {
  for await (const state of tunnel.states()) {
    if (state.is === "up" && state !== not) return state;
  }
  throw new Error(`the tunnel ended: ${JSON.stringify(tunnel.state)}`);
}

/** The error with which the tunnel waits. */
async function untilWaiting(tunnel: Tunnel): Promise<Error> {
  for await (const state of tunnel.states()) if (state.is === "waiting") return state.error;
  throw new Error("the tunnel ended");
}

type Place = { readonly port: number } | { readonly path: string };

const LOOPBACK = "127.0.0.1";

function dial(place: Place): Socket {
  return connect({
    ...("path" in place ? place : { ...place, host: LOOPBACK }),
    allowHalfOpen: true,
  });
}

/** Says something, ends its own direction, and reads the answer: half-close in both directions. */
async function ask(place: Place, question: Buffer | string): Promise<string> {
  const socket = dial(place);
  socket.end(question);
  return readToEnd(socket);
}

async function failureOf(attempt: Promise<unknown>): Promise<Error | undefined> {
  try {
    await attempt;
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** What the other side says first. */
async function firstWords(place: Place): Promise<string> {
  const socket = dial(place);
  const [words] = await once(socket, "data");
  socket.on("error", () => {}).destroy();
  return String(words);
}

/** Answers with what was said, once that has ended. */
async function startEcho(
  at: { readonly path: string } | { readonly port: number; readonly host: string },
): Promise<Server & { readonly boundPort: number }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    void (async () => socket.end(`echo of ${await readToEnd(socket)}`))();
  });
  server.listen(at);
  await once(server, "listening");
  const address = server.address();
  const boundPort = typeof address === "object" && address !== null ? address.port : 0;
  return Object.assign(server, { boundPort });
}

async function close(...servers: readonly Server[]): Promise<void> {
  for (const server of servers) {
    const closed = once(server, "close");
    server.close();
    await closed;
  }
}

describeWithPeers(["sshd", "ssh-keygen"], "openTunnel() to sshd", () => {
  it("forwards TCP ports and unix sockets in both directions, several at once", async () => {
    await using sshd = await startSshd();
    const at = (name: string): string => join(sshd.folder, name);
    const tcp = await startEcho({ port: 0, host: LOOPBACK });
    const unix = await startEcho({ path: at("echo.sock") });
    const web = `127.0.0.1:${tcp.boundPort}`;
    const socket = at("echo.sock");
    const [fixedRemote, fixedLocal] = [await freePort(), await freePort()];
    const remote = [
      `0:${web}`,
      `0:${socket}`,
      `${at("r1.sock")}:${web}`,
      `${at("r2.sock")}:${socket}`,
      `localhost:${fixedRemote}:localhost:${tcp.boundPort}`,
      `[::1]:0:${web}`,
    ].map((text): ForwardSpec => parseForward(text));
    const local = [
      `0:${web}`,
      `0:${socket}`,
      `${at("l1.sock")}:${web}`,
      `${at("l2.sock")}:${socket}`,
      `127.0.0.1:${fixedLocal}:localhost:${tcp.boundPort}`,
    ].map((text): ForwardSpec => parseForward(text));
    {
      await using tunnel = tunnelTo(sshd, {
        forwards: [
          ...remote,
          {
            bindPort: 0,
            target: async (channel) => void channel.end(`echo of ${await readToEnd(channel)}`),
          },
        ],
        localForwards: local,
      });
      const { ports, localPorts } = await untilUp(tunnel);
      expect(ports).toHaveLength(7);
      expect(ports.slice(2, 5)).toEqual([0, 0, fixedRemote]);
      expect(localPorts.slice(2)).toEqual([0, 0, fixedLocal]);
      const places: Place[] = [
        ...[0, 1, 4, 6].map((n) => ({ port: ports[n] ?? 0 })),
        ...["r1.sock", "r2.sock", "l1.sock", "l2.sock"].map((name) => ({ path: at(name) })),
        ...[0, 1, 4].map((n) => ({ port: localPorts[n] ?? 0 })),
      ];
      for (const place of places) {
        const answers = await Promise.all(["a", "b"].map((text) => ask(place, text)));
        expect({ place, answers }).toEqual({ place, answers: ["echo of a", "echo of b"] });
      }
      const six = connect({ port: ports[5] ?? 0, host: "::1", allowHalfOpen: true });
      six.end("six");
      expect(await readToEnd(six)).toBe("echo of six");
    }
    await close(tcp, unix);
    await expect(ask({ port: fixedLocal }, "")).rejects.toThrow("ECONNREFUSED");
  });

  it("10 MB come through unchanged in both directions, with a reader that pauses", async () => {
    await using sshd = await startSshd();
    const mirror = createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket));
    mirror.listen(0, LOOPBACK);
    await once(mirror, "listening");
    const address = mirror.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const target = { host: LOOPBACK, port };
    await using tunnel = tunnelTo(sshd, {
      forwards: [{ bindPort: 0, target }],
      localForwards: [{ bindPort: 0, target }],
    });
    const { ports, localPorts } = await untilUp(tunnel);
    const data = randomBytes(10_000_000);
    const sent = createHash("sha256").update(data).digest("hex");
    for (const entry of [ports[0], localPorts[0]]) {
      const socket = dial({ port: entry ?? 0 });
      const hash = createHash("sha256");
      socket.end(data);
      let pauses = 0;
      socket.on("data", (chunk: Buffer) => {
        hash.update(chunk);
        if (pauses++ % 20 === 0) {
          socket.pause();
          setImmediate(() => socket.resume());
        }
      });
      await once(socket, "end");
      expect(hash.digest("hex")).toBe(sent);
    }
    await close(mirror);
  });

  it("a target that is not there breaks one connection, and nothing else", async () => {
    await using sshd = await startSshd();
    const echo = await startEcho({ port: 0, host: LOOPBACK });
    const nobody = await freePort();
    const failures: TargetFailure[] = [];
    await using tunnel = tunnelTo(sshd, {
      forwards: [{ bindPort: 0, target: { host: LOOPBACK, port: nobody } }],
      localForwards: [
        { bindPort: 0, target: { host: LOOPBACK, port: nobody } },
        { bindPort: 0, target: { path: join(sshd.folder, "none.sock") } },
        { bindPort: 0, target: { host: LOOPBACK, port: echo.boundPort } },
      ],
      onTargetFailure: (failure) => failures.push(failure),
    });
    const { ports, localPorts } = await untilUp(tunnel);
    const going = dial({ port: localPorts[2] ?? 0 });
    going.write("before, ");
    expect(await ask({ port: ports[0] ?? 0 }, "")).toBe(""); // sshd ends what we refuse
    await expect(ask({ port: localPorts[0] ?? 0 }, "x")).rejects.toThrow("ECONNRESET");
    await expect(ask({ port: localPorts[1] ?? 0 }, "x")).rejects.toThrow("ECONNRESET");
    going.end("and after");
    expect(await readToEnd(going)).toBe("echo of before, and after");
    expect(failures.map(({ error }) => error.message)).toEqual([
      expect.stringContaining("ECONNREFUSED"),
      expect.stringMatching(/refused to open a channel: .*refused/i),
      expect.stringMatching(/refused to open a channel/),
    ]);
    expect(tunnel.state.is).toBe("up");
    await close(echo);
  });

  it("a port that is in use there is told, and had as soon as it is free", async () => {
    await using sshd = await startSshd();
    // Both loopback addresses: sshd says yes as soon as it has one of them.
    const squatter = createServer().listen(0, "::");
    await once(squatter, "listening");
    const address = squatter.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await using tunnel = remoteTunnel(sshd, (channel) => void channel.end("here"), port);
    expect(await untilWaiting(tunnel)).toMatchObject({
      code: "ERR_SSH_ENDPOINT_FORWARD_REFUSED",
      message: expect.stringContaining(`port ${port}`),
    });
    await close(squatter);
    await untilUp(tunnel);
    expect(await ask({ port }, "")).toBe("here");
  });

  it("a local port that is in use is told, and had as soon as it is free", async () => {
    await using sshd = await startSshd();
    const squatter = createServer().listen(0, LOOPBACK);
    await once(squatter, "listening");
    const address = squatter.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await using tunnel = tunnelTo(sshd, {
      localForwards: [{ bindPort: port, target: { host: LOOPBACK, port: sshd.port } }],
    });
    expect(await untilWaiting(tunnel)).toMatchObject({ code: "ERR_SSH_REVERSE_LISTEN" });
    await close(squatter);
    await untilUp(tunnel);
    expect(await firstWords({ port })).toMatch(/^SSH-2\.0-/);
  });

  it("what authorized_keys does not permit is refused", async () => {
    const port = await freePort();
    await using sshd = await startSshd({
      config: ["AllowStreamLocalForwarding no"], // permitlisten says nothing about sockets
      authorizedKeys: (line) =>
        `restrict,port-forwarding,permitlisten="localhost:${port}" ${line}\n`,
    });
    await using other = remoteTunnel(sshd, (channel) => void channel.end("here"), port + 1);
    expect(await untilWaiting(other)).toMatchObject({ code: "ERR_SSH_ENDPOINT_FORWARD_REFUSED" });
    await using socket = tunnelTo(sshd, {
      forwards: [{ bindPath: join(sshd.folder, "x.sock"), target: { path: "/nowhere" } }],
    });
    const refused = await untilWaiting(socket);
    expect(refused.message).toMatch(/refuses to forward the socket .*x\.sock/);
    await using permitted = remoteTunnel(sshd, (channel) => void channel.end("here"), port);
    await untilUp(permitted);
    expect(await ask({ port }, "")).toBe("here");
  });

  it("comes back when its connection is killed, and says so in its states", async () => {
    await using sshd = await startSshd();
    await using tunnel = remoteTunnel(sshd, (channel) => void channel.end("here"));
    const states: TunnelState["is"][] = [];
    const watching = (async () => {
      for await (const state of tunnel.states()) states.push(state.is);
    })();
    const first = await untilUp(tunnel);
    sshd.dropConnections();
    const { ports } = await untilUp(tunnel, first);
    expect(await ask({ port: ports[0] ?? 0 }, "")).toBe("here");
    await tunnel[Symbol.asyncDispose]();
    await watching;
    expect(states).toEqual(["connecting", "up", "waiting", "connecting", "up", "closed"]);
  });

  it("comes back when sshd does, on the same ports; what was open is reset", async () => {
    await using sshd = await startSshd();
    const port = await freePort();
    const path = join(sshd.folder, "local.sock");
    const target = { host: LOOPBACK, port: sshd.port };
    await using tunnel = tunnelTo(sshd, {
      forwards: [{ bindPort: port, target: (channel) => void channel.write("here") }],
      localForwards: [
        { bindPort: 0, target },
        { bindPath: path, target },
      ],
    });
    const first = await untilUp(tunnel);
    const open = dial({ port: first.localPorts[0] ?? 0 });
    await once(open, "data");
    const reset = failureOf(once(open, "end"));
    await sshd.stop();
    expect((await reset)?.message).toContain("ECONNRESET");
    await untilWaiting(tunnel);
    // Nothing listens while the tunnel is down.
    for (const place of [{ port }, { port: first.localPorts[0] ?? 0 }, { path }]) {
      await expect(ask(place, "")).rejects.toThrow(/ECONNREFUSED|ENOENT/);
    }
    await sshd.restart();
    const second = await untilUp(tunnel, first);
    expect([second.ports, second.localPorts]).toEqual([first.ports, first.localPorts]);
    expect(await firstWords({ port })).toBe("here");
  });

  it("finds a dead sshd within keepalive interval × count", async () => {
    await using sshd = await startSshd();
    await using tunnel = tunnelTo(sshd, {
      forwards: [{ bindPort: 0, target: (channel) => void channel.end("here") }],
      keepaliveIntervalMs: 300,
      keepaliveCountMax: 3,
    });
    const first = await untilUp(tunnel);
    sshd.dropConnections("SIGSTOP");
    const stopped = performance.now();
    const error = await untilWaiting(tunnel);
    expect(error).toMatchObject({ code: "ERR_SSH_ENDPOINT_PEER_DEAD" });
    // The bound counts from the last byte; beyond it is only what a busy machine takes.
    expect(performance.now() - stopped).toBeLessThan(900 + 1_500);
    const { ports } = await untilUp(tunnel, first);
    expect(await ask({ port: ports[0] ?? 0 }, "")).toBe("here");
    sshd.dropConnections(); // also those that are stopped
  });
});
