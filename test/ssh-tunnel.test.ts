// openTunnel() against the real sshd: what the table of the pairings (support/tunnel-cases.ts) does not ask.
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import {
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
import { ask, dial, type Place, startService } from "./support/tunnel-services.ts";

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

const LOOPBACK = "127.0.0.1";

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

async function close(...servers: readonly Server[]): Promise<void> {
  for (const server of servers) {
    const closed = once(server, "close");
    server.close();
    await closed;
  }
}

describeWithPeers(["sshd", "ssh-keygen"], "openTunnel() to sshd", () => {
  it("beside what ssh has: code of this process as target, any local port, and IPv6's loopback", async () => {
    await using sshd = await startSshd();
    await using service = await startService("one");
    const fixed = await freePort();
    {
      await using tunnel = tunnelTo(sshd, {
        forwards: [
          parseForward(`[::1]:0:${service.target}`),
          {
            bindPort: 0,
            target: async (channel) => void channel.end(`code heard ${await readToEnd(channel)}`),
          },
        ],
        localForwards: [`0:${service.target}`, `${fixed}:localhost:${service.port}`].map((text) =>
          parseForward(text),
        ),
      });
      const { ports, localPorts } = await untilUp(tunnel);
      expect(localPorts[1]).toBe(fixed);
      expect(await ask({ port: ports[0] ?? 0, host: "::1" })).toBe("one heard 8");
      expect(await ask({ port: ports[1] ?? 0 })).toBe("code heard question");
      for (const port of localPorts) expect(await ask({ port })).toBe("one heard 8");
      expect(await ask({ port: fixed, host: "::1" })).toBe("one heard 8");
    }
    await expect(ask({ port: fixed })).rejects.toThrow("ECONNREFUSED");
  });

  it("a target that is not there breaks one connection, and nothing else", async () => {
    await using sshd = await startSshd();
    await using echo = await startService("one");
    const nobody = await freePort();
    const failures: TargetFailure[] = [];
    await using tunnel = tunnelTo(sshd, {
      forwards: [{ bindPort: 0, target: { host: LOOPBACK, port: nobody } }],
      localForwards: [
        { bindPort: 0, target: { host: LOOPBACK, port: nobody } },
        { bindPort: 0, target: { path: join(sshd.folder, "none.sock") } },
        { bindPort: 0, target: { host: LOOPBACK, port: echo.port } },
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
    expect(await readToEnd(going)).toBe("one heard 17");
    expect(failures.map(({ error }) => error.message)).toEqual([
      expect.stringContaining("ECONNREFUSED"),
      expect.stringMatching(/refused to open a channel: .*refused/i),
      expect.stringMatching(/refused to open a channel/),
    ]);
    expect(tunnel.state.is).toBe("up");
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
});
