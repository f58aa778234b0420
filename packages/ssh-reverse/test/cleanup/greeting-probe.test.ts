import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { answersAsSsh } from "../../src/cleanup/greeting-probe.ts";
import type { ListeningSocket } from "../../src/cleanup/listening-sockets.ts";

const { signal } = new AbortController();

async function listening(
  server: Server,
  at: { path: string } | { port: number; host: string },
): Promise<ListeningSocket> {
  server.listen(at);
  await once(server, "listening");
  const address = server.address();
  if (address === null) throw new Error("no address");
  return typeof address === "string"
    ? { path: address }
    : { address: address.address, port: address.port };
}

async function answer(
  onConnection: (socket: Socket) => void,
  timeoutMs = 2_000,
  host = "127.0.0.1",
): Promise<boolean> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    socket.on("error", () => {});
    sockets.add(socket);
    onConnection(socket);
  });
  try {
    return await answersAsSsh(await listening(server, { port: 0, host }), { timeoutMs, signal });
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  }
}

test("a greeting is one, whole or in pieces, after other lines, and on every address", async () => {
  expect(await answer((socket) => void socket.write("SSH-2.0-OpenSSH_9.2\r\n"))).toBe(true);
  expect(await answer((socket) => void socket.write("SSH-2.0-x\r\n"), 2_000, "0.0.0.0")).toBe(true);
  expect(await answer((socket) => void socket.end("welcome\r\nSSH-2.0-x\r\n"))).toBe(true);
  const inPieces = answer((socket) => {
    socket.write("SSH-");
    setImmediate(() => socket.write("2.0-x"));
  });
  expect(await inPieces).toBe(true);
});

test("everything else is none", async () => {
  expect(await answer((socket) => socket.destroy())).toBe(false);
  expect(await answer((socket) => void socket.end("HTTP/1.1 400 Bad Request\r\n"))).toBe(false);
  expect(await answer((socket) => void socket.end(" SSH-2.0-x\r\n"))).toBe(false);
  expect(await answer((socket) => void socket.write("x".repeat(10_000)))).toBe(false);
  expect(await answer(() => {}, 50)).toBe(false); // silence
});

test("nobody behind a port or a path is none; a unix socket can have one", async () => {
  const folder = mkdtempSync(join(tmpdir(), "dialhome-probe-"));
  const path = join(folder, "s");
  const server = createServer((socket) => socket.end("SSH-2.0-x\r\n"));
  const socket = await listening(server, { path });
  expect(await answersAsSsh(socket, { timeoutMs: 2_000, signal })).toBe(true);
  server.close();
  await once(server, "close");
  expect(await answersAsSsh(socket, { timeoutMs: 2_000, signal })).toBe(false);
  rmSync(folder, { recursive: true });
});
