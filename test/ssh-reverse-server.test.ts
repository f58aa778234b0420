// Our tunnel server with the real ssh -R, and with our own client.
import { once } from "node:events";
import { appendFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { connectSsh, type SshConnection } from "@dialhome/ssh-endpoint";
import type { ForwardPolicy, TunnelServerEvent } from "@dialhome/ssh-reverse";
import { expect, it } from "vitest";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { run, start } from "./support/processes.ts";
import { readToEnd } from "./support/ssh-read.ts";
import { sshKeygen } from "./support/ssh-sshd.ts";
import { startTunnelServer, type TestTunnelServer } from "./support/ssh-tunnel-server.ts";
import { ask, startService } from "./support/tunnel-services.ts";

const DESTINATION = "tun@127.0.0.1";

/** Binds what is asked for on loopback. */
const listenOnLoopback = ({ bindPort }: { bindPort: number }): ForwardPolicy => ({
  is: "listen",
  host: "127.0.0.1",
  port: bindPort,
});

function isForwarded(event: TunnelServerEvent): boolean {
  return event.is === "connection" && event.event.is === "forwarded";
}

function forwardedPort(server: TestTunnelServer): number {
  const [connection] = server.server.connections;
  const [forward] = connection?.forwards ?? [];
  if (forward === undefined || !("port" in forward)) throw new Error("no forwarding");
  return forward.port;
}

async function ourClient(server: TestTunnelServer): Promise<SshConnection> {
  return connectSsh({
    host: "127.0.0.1",
    port: server.port,
    user: "tun",
    auth: { privateKeyPath: server.clientKey.privatePath },
    hostKey: { fingerprints: server.server.fingerprints },
  });
}

describeWithPeers(["ssh", "ssh-keygen"], "ssh -R to our server", () => {
  it("forwards, keeps half-close, and leaves nothing when it is killed", async () => {
    await using service = await startService("one");
    await using server = await startTunnelServer({ forwardPolicy: listenOnLoopback });
    await using client = start(requirePeer("ssh"), [
      ...server.sshArgs,
      "-N",
      "-R",
      `0:127.0.0.1:${service.port}`,
      DESTINATION,
    ]);
    await client.waitFor("stderr", /Allocated port (\d+)/);
    const port = forwardedPort(server);
    expect(await ask({ port }, Buffer.alloc(5_000_000))).toBe("one heard 5000000");
    const idle = connect(port, "127.0.0.1");
    await once(idle, "connect");
    // Reset, not ended: its reader must not take what it has for all.
    const idleError = new Promise((resolve) => idle.once("error", resolve));

    client.kill("SIGKILL");
    await server.waitForEvent(({ is }) => is === "closed");
    await expect(once(connect(port, "127.0.0.1"), "connect")).rejects.toThrow("ECONNREFUSED");
    expect(await idleError).toMatchObject({ code: "ECONNRESET" });
    expect(server.server.connections.size).toBe(0);
  });

  // ssh answers when its connection is made or has failed; a target that drops packets must not cost the tunnel that it is one of.
  it("a target that never answers is given up in time, and the other forwardings go on", async () => {
    await using service = await startService("one");
    await using nowhere = await startDroppingService();
    await using server = await startTunnelServer({
      forwardPolicy: listenOnLoopback,
      answerTimeoutMs: 500,
    });
    await using client = start(requirePeer("ssh"), [
      ...server.sshArgs,
      "-N",
      "-R",
      `0:127.0.0.1:${nowhere.port}`,
      "-R",
      `0:127.0.0.1:${service.port}`,
      DESTINATION,
    ]);
    await client.waitFor("stderr", /Allocated port \d+[^]*Allocated port \d+/);
    const [connection] = server.server.connections;
    const [dead = 0, live = 0] = (connection?.forwards ?? []).map((one) =>
      "port" in one ? one.port : 0,
    );
    const going = connect(live, "127.0.0.1");
    await once(going, "connect");
    const socket = connect(dead, "127.0.0.1");
    socket.resume().on("error", () => {});
    await once(socket, "close");
    await server.waitForEvent(({ is }) => is === "served");
    const served = server.events.filter(({ is }) => is === "served");
    expect(served).toMatchObject([{ error: { code: "ERR_SSH_ENDPOINT_TIMEOUT" } }]);
    going.end("as before");
    expect(await readToEnd(going)).toBe("one heard 9");
  });
});

/** A port whose queue is full: what connects gets no answer. */
async function startDroppingService(): Promise<{ readonly port: number } & AsyncDisposable> {
  const child = start(process.execPath, [
    "-e",
    `const server = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
      require("node:fs").writeSync(1, server.address().port + "\\n");
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`,
  ]);
  const port = Number((await child.waitFor("stdout", /(\d+)\n/))[1]);
  const fill = [1, 2, 3].map(() => connect(port, "127.0.0.1").on("error", () => {}));
  await Promise.all(fill.slice(0, 2).map((socket) => once(socket, "connect")));
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of fill) socket.destroy();
      child.kill("SIGKILL");
      await child[Symbol.asyncDispose]();
    },
  };
}

/** What becomes of the real ssh that asks for a forwarding, with a line in authorized_keys. */
async function tryForward(
  line: (publicLine: string) => string,
  spec = "0:127.0.0.1:1",
): Promise<"forwarded" | "refused" | "denied"> {
  await using server = await startTunnelServer({ line, forwardPolicy: listenOnLoopback });
  await using client = start(requirePeer("ssh"), [
    ...server.sshArgs,
    "-N",
    "-o",
    "ExitOnForwardFailure=yes",
    "-R",
    spec,
    DESTINATION,
  ]);
  const granted = server.waitForEvent(isForwarded).then(() => "forwarded" as const);
  const over = client.ended.then(({ stderr }) =>
    stderr.includes("Permission denied") ? ("denied" as const) : ("refused" as const),
  );
  const first = await Promise.race([granted, over]);
  client.kill();
  return first;
}

describeWithPeers(["ssh", "ssh-keygen"], "lines of authorized_keys, tried with ssh -R", () => {
  it.each([
    ["plain", (key: string) => key, "0:127.0.0.1:1", "forwarded"],
    ["restrict", (key: string) => `restrict ${key}`, "0:127.0.0.1:1", "refused"],
    [
      "restrict,port-forwarding",
      (key: string) => `restrict,port-forwarding ${key}`,
      "0:127.0.0.1:1",
      "forwarded",
    ],
    [
      "permitlisten for another port",
      (key: string) => `permitlisten="7" ${key}`,
      "0:127.0.0.1:1",
      "refused",
    ],
    [
      "permitlisten for any port",
      (key: string) => `permitlisten="localhost:*" ${key}`,
      "0:127.0.0.1:1",
      "forwarded",
    ],
    [
      "permitlisten for another address",
      (key: string) => `permitlisten="localhost:*" ${key}`,
      "127.0.0.9:0:127.0.0.1:1",
      "refused",
    ],
    ["from here", (key: string) => `from="127.0.0.0/8" ${key}`, "0:127.0.0.1:1", "forwarded"],
    ["from elsewhere", (key: string) => `from="10.0.0.0/8" ${key}`, "0:127.0.0.1:1", "denied"],
    ["expired", (key: string) => `expiry-time="20200101" ${key}`, "0:127.0.0.1:1", "denied"],
    [
      "not yet expired",
      (key: string) => `expiry-time="20991231" ${key}`,
      "0:127.0.0.1:1",
      "forwarded",
    ],
    ["unknown option", (key: string) => `frobnicate ${key}`, "0:127.0.0.1:1", "denied"],
    ["no line", () => "# nobody", "0:127.0.0.1:1", "denied"],
  ] as const)("%s", async (_name, line, spec, expected) => {
    expect(await tryForward(line, spec)).toBe(expected);
  });

  it("the file is read anew at each login, and what a line says is there for the embedder", async () => {
    await using server = await startTunnelServer({
      line: () => "# nobody yet",
      onShell: (channel, { identity }) => {
        channel.resume();
        const { command, environment } = identity.options;
        channel.write(`${identity.line} ${identity.comment} ${command} ${environment.get("NAME")}`);
        channel.exitWith(0);
      },
    });
    const args = [...server.sshArgs, DESTINATION];
    expect((await run(requirePeer("ssh"), args)).stderr).toContain("Permission denied (publickey)");
    appendFileSync(
      server.authorizedKeysPath,
      `command="backup pi",environment="NAME=pi" ${server.clientKey.publicLine}\n`,
    );
    expect((await run(requirePeer("ssh"), args)).stdout).toBe("2 test backup pi pi");
    writeFileSync(server.authorizedKeysPath, "");
    expect((await run(requirePeer("ssh"), args)).code).toBe(255);
  });

  it.each(["ed25519", "ecdsa", "rsa"] as const)("an %s key of ssh is verified", async (kind) => {
    await using server = await startTunnelServer({
      onShell: (channel) => {
        channel.resume();
        channel.exitWith(42);
      },
    });
    const key = await sshKeygen(server.folder.at("another"), kind);
    writeFileSync(server.authorizedKeysPath, `${key.publicLine}\n`);
    const args = server.sshArgs.map((arg) =>
      arg === server.clientKey.privatePath ? key.privatePath : arg,
    );
    expect((await run(requirePeer("ssh"), [...args, DESTINATION])).code).toBe(42);
  });
});

describeWithPeers(["ssh-keygen"], "our client and our server", () => {
  it("connections in process need no listener", async () => {
    await using server = await startTunnelServer({
      forwardPolicy: ({ bindPort }) => ({ is: "inProcess", port: bindPort }),
    });
    await using client = await ourClient(server);
    await client.forward({
      bindPort: 22_123,
      onChannel: (channel) => {
        void (async () => channel.end(`heard: ${await readToEnd(channel)}`))();
      },
    });
    await expect(once(connect(22_123, "127.0.0.1"), "connect")).rejects.toThrow("ECONNREFUSED");
    const [connection] = server.server.connections;
    const channel = await connection?.openForwarded("localhost", 22_123);
    channel?.end("a question");
    expect(channel === undefined ? "" : await readToEnd(channel)).toBe("heard: a question");
  });

  it("a text at the end reaches the client", async () => {
    await using server = await startTunnelServer();
    await using client = await ourClient(server);
    const [connection] = server.server.connections;
    await connection?.end("come back in an hour");
    expect(await client.closed).toEqual({ farewell: "come back in an hour" });
  });

  it("a closed server ends its clients and frees its port", async () => {
    const server = await startTunnelServer({ forwardPolicy: listenOnLoopback });
    await using client = await ourClient(server);
    const forwarding = await client.forward({ bindPort: 0, onChannel: () => {} });
    await server[Symbol.asyncDispose]();
    await client.closed;
    for (const port of [server.port, forwarding.port]) {
      await expect(once(connect(port, "127.0.0.1"), "connect")).rejects.toThrow("ECONNREFUSED");
    }
  });
});
