// openTunnel() against the real sshd: what `ssh -N -R` and autossh do together.
import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { openTunnel, type Tunnel, type TunnelState } from "@dialhome/ssh-reverse";
import { expect, it } from "vitest";
import { describeWithPeers } from "./support/peers.ts";
import { readToEnd } from "./support/ssh-read.ts";
import { type Sshd, startSshd } from "./support/ssh-sshd.ts";

type Target = Parameters<typeof openTunnel>[0]["forwards"][number]["target"];

function tunnelTo(sshd: Sshd, target: Target): Tunnel {
  return openTunnel({
    host: sshd.host,
    port: sshd.port,
    user: sshd.user,
    auth: { privateKeyPath: sshd.clientKey.privatePath },
    hostKey: { knownHosts: [{ path: sshd.knownHostsPath }] },
    reconnect: { minDelayMs: 20, maxDelayMs: 100 },
    forwards: [{ bindPort: 0, target }],
  });
}

async function upPort(tunnel: Tunnel, not = 0): Promise<number> {
  for await (const state of tunnel.states()) {
    if (state.is === "up" && state.ports[0] !== undefined && state.ports[0] !== not)
      return state.ports[0];
  }
  throw new Error("the tunnel ended");
}

async function ask(port: number, question: string): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.end(question);
  return readToEnd(socket);
}

/** Answers with the question, once that has ended. */
async function startEcho(at: { path: string } | { port: number; host: string }): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    void (async () => socket.end(`echo of ${await readToEnd(socket)}`))();
  });
  server.listen(at);
  await once(server, "listening");
  return server;
}

describeWithPeers(["sshd", "ssh-keygen"], "openTunnel() to sshd", () => {
  it("leads to a TCP port, a unix socket and a function", async () => {
    await using sshd = await startSshd();
    const path = join(sshd.folder, "echo.sock");
    const tcp = await startEcho({ port: 0, host: "127.0.0.1" });
    const unix = await startEcho({ path });
    const address = tcp.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const targets: Target[] = [
      { host: "127.0.0.1", port },
      { path },
      (channel) => void (async () => channel.end(`echo of ${await readToEnd(channel)}`))(),
    ];
    for (const target of targets) {
      await using tunnel = tunnelTo(sshd, target);
      expect(await ask(await upPort(tunnel), "a question")).toBe("echo of a question");
    }
    for (const server of [tcp, unix]) {
      server.close();
      await once(server, "close");
    }
  });

  it("comes back when its connection is killed, and says so in its states", async () => {
    await using sshd = await startSshd();
    await using tunnel = tunnelTo(sshd, (channel) => void channel.end("here"));
    const states: TunnelState["is"][] = [];
    const watching = (async () => {
      for await (const state of tunnel.states()) states.push(state.is);
    })();
    await upPort(tunnel);
    const firstUp = tunnel.state;
    sshd.dropConnections();
    for await (const state of tunnel.states()) {
      if (state.is === "up" && state !== firstUp) break;
    }
    const [port = 0] = tunnel.state.is === "up" ? tunnel.state.ports : [];
    expect(await ask(port, "")).toBe("here");
    await tunnel[Symbol.asyncDispose]();
    await watching;
    expect(states).toEqual(["connecting", "up", "waiting", "connecting", "up", "closed"]);
  });
});
