import { once } from "node:events";
import { existsSync, linkSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import type { SshConnection } from "@dialhome/ssh-endpoint";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type LocalListener, listenLocally } from "../src/local-listener.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "dialhome-test-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** A connection whose channels answer with what they were opened to; `refused` hosts are refused. */
function fakeConnection(): SshConnection {
  const open = async (to: string): Promise<Duplex> => {
    if (to.startsWith("refused")) throw new Error("refused there");
    const channel = new Duplex({
      read: () => {},
      write: (_chunk, _encoding, done) => done(),
      final: (done) => {
        channel.push(null);
        done();
      },
    });
    channel.push(to);
    return channel;
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the two methods that a listener calls
  return {
    openDirect: (host: string, port: number) => open(`${host}:${port}`),
    openDirectSocket: (path: string) => open(path),
  } as unknown as SshConnection;
}

async function askPort(port: number, host = "127.0.0.1"): Promise<string> {
  const socket = connect({ port, host, allowHalfOpen: true });
  socket.end();
  return read(socket);
}

async function askSocket(path: string): Promise<string> {
  const socket = connect({ path, allowHalfOpen: true });
  socket.end();
  return read(socket);
}

async function read(socket: Duplex): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  await once(socket, "close");
  return text;
}

const target = { host: "web", port: 80 };

function listen(
  forward: Parameters<typeof listenLocally>[0],
  port = "bindPort" in forward ? forward.bindPort : 0,
  failures: string[] = [],
): Promise<LocalListener> {
  return listenLocally(forward, port, fakeConnection(), ({ error }) => {
    failures.push(error.message);
  });
}

describe("listenLocally", () => {
  it("listens on loopback, and tells the port that was chosen", async () => {
    const listener = await listen({ bindPort: 0, target });
    expect(listener.port).toBeGreaterThan(0);
    expect(await askPort(listener.port)).toBe("web:80");
    // Somebody else may have it: then the name leads to two places.
    await expect(listen({ bindPort: listener.port, target })).rejects.toThrow(
      `cannot listen on port ${listener.port} of 127.0.0.1: another program listens there`,
    );
    await listener.close();
    await expect(once(connect(listener.port, "127.0.0.1"), "connect")).rejects.toThrow(
      "ECONNREFUSED",
    );
  });

  it("listens on every address where that is wanted, and on the one that is named", async () => {
    for (const bindAddress of ["", "127.0.0.2"]) {
      const listener = await listen({ bindAddress, bindPort: 0, target: { path: "/x.sock" } });
      expect(await askPort(listener.port, "127.0.0.2")).toBe("/x.sock");
      await listener.close();
    }
    await expect(listen({ bindAddress: "192.0.2.1", bindPort: 0, target })).rejects.toThrow(
      "no network interface has that address",
    );
  });

  it("closing ends the connections", async () => {
    const listener = await listen({ bindPort: 0, target });
    const socket = connect(listener.port, "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "data");
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await listener.close();
    await closed;
    expect(socket.destroyed).toBe(true);
  });

  it("a connection that the server refuses is reset, and told; the next goes on", async () => {
    const failures: string[] = [];
    const listener = await listen(
      { bindPort: 0, target: { host: "refused", port: 1 } },
      0,
      failures,
    );
    for (let n = 1; n <= 2; n++) {
      await expect(askPort(listener.port)).rejects.toThrow("ECONNRESET");
      expect(failures).toHaveLength(n);
    }
    await listener.close();
    expect(failures).toEqual(["refused there", "refused there"]);
  });

  it("a unix socket is its owner's alone, and gone when it is closed", async () => {
    const path = join(folder, "in.sock");
    const listener = await listen({ bindPath: path, target });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await askSocket(path)).toBe("web:80");
    await expect(listen({ bindPath: path, target })).rejects.toThrow(
      "another program listens there",
    );
    await listener.close();
    expect(existsSync(path)).toBe(false);
  });

  it("a unix socket that was left behind is replaced, any other file is not", async () => {
    const path = join(folder, "left.sock");
    const before = createServer().listen(path);
    await once(before, "listening");
    const kept = join(folder, "kept.sock");
    // As kill -9 leaves it: the file without the listener.
    linkSync(path, kept);
    before.close();
    await once(before, "close");
    const listener = await listen({ bindPath: kept, target });
    expect(await askSocket(kept)).toBe("web:80");
    await listener.close();

    const file = join(folder, "file");
    writeFileSync(file, "mine", { mode: 0o644 });
    await expect(listen({ bindPath: file, target })).rejects.toThrow(
      "another program listens there",
    );
    expect(statSync(file).mode & 0o777).toBe(0o644);
  });
});
