import { getEventListeners, once } from "node:events";
import { createServer, type Server } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { findTunnelSessions } from "../../src/cleanup/tunnel-sessions.ts";
import { type FakeProc, type FakeProcess, fakeProc, OWN_PID } from "../support/fake-proc.ts";

let fake: FakeProc;
let ssh: Server;
let port: number;

beforeEach(async () => {
  // The age of a session is told by our own, which is that of a process of many tests.
  vi.spyOn(process, "uptime").mockReturnValue(1);
  fake = fakeProc({ "tun-a": 1001, "tun-b": 1002, other: 1003 });
  ssh = createServer((socket) => socket.end("SSH-2.0-x\r\n")).listen(0, "127.0.0.1");
  await once(ssh, "listening");
  const address = ssh.address();
  port = typeof address === "object" && address !== null ? address.port : 0;
});

afterEach(async () => {
  fake[Symbol.dispose]();
  ssh.close();
  await once(ssh, "close");
});

function login(user: string, uid: number, pid: number, child: Partial<FakeProcess> = {}): void {
  fake.add({ pid, title: `sshd: ${user} [priv]`, sockets: [1, 2] });
  const uids = [uid, uid, uid, uid];
  fake.add({ pid: pid + 1, parent: pid, title: `sshd: ${user}`, uids, ...child });
}

async function verdicts(options: Parameters<typeof findTunnelSessions>[0] = {}): Promise<object> {
  const sessions = await findTunnelSessions({ probeTimeoutMs: 1_000, ...options }, fake.system);
  return Object.fromEntries(sessions.map(({ pid, verdict }) => [pid, verdict]));
}

test("each login gets its verdict, and nobody a signal", async () => {
  login("tun-a", 1001, 10, { sockets: [100] });
  login("tun-a", 1001, 20, { sockets: [100_000] }); // a connection, no listener
  login("tun-b", 1002, 30, { sockets: [300] });
  login("tun-b", 1002, 40, { sockets: [300, 100] }); // one of its two answers
  login("tun-b", 1002, 50, { sockets: [500] }); // only sshd's own, for an agent
  login("tun-b", 1002, 60, { sockets: null });
  login("tun-b", 1002, 70, { network: "net:[2]" });
  login("tun-b", 1002, 80, { start: 1_000_000 });
  login("other", 1003, 90, {});
  fake.listen({ 100: port, 300: 1 }, { 500: "/tmp/ssh-XXXXc1xjJX/agent.4711" });
  expect(await verdicts()).toEqual({
    11: "alive",
    21: "no-listener",
    31: "silent",
    41: "alive",
    51: "no-listener",
    61: "unseen",
    71: "unseen",
    81: "new",
  });
  expect(await verdicts({ minAgeMs: 0 })).toMatchObject({ 81: "no-listener" });
  expect(await verdicts({ prefix: "tun-a" })).toEqual({ 11: "alive", 21: "no-listener" });
  expect(fake.signals).toEqual([]);
});

test("many probes at once listen to the caller's signal only once", async () => {
  const { signal } = new AbortController();
  let most = 0;
  ssh.on("connection", () => {
    most = Math.max(most, getEventListeners(signal, "abort").length);
  });
  const sockets = Array.from({ length: 20 }, (_, at) => 100 + at);
  login("tun-a", 1001, 10, { sockets });
  fake.listen(Object.fromEntries(sockets.map((inode) => [inode, port])));
  expect(await verdicts({ signal })).toEqual({ 11: "alive" });
  expect([most, getEventListeners(signal, "abort").length]).toEqual([1, 0]);
});

test("a listener that the kernel's table lacked once is not missing", async () => {
  login("tun-a", 1001, 10, { sockets: [100] });
  login("tun-b", 1002, 20, { sockets: [200] });
  fake.listen({ 200: port });
  const looking = findTunnelSessions({}, fake.system);
  fake.listen({ 200: port, 100: port }); // while the probes run
  expect((await looking).map(({ verdict }) => verdict)).toEqual(["new", "alive"]);
});

test("the login that the command itself runs in is not looked at", async () => {
  login("tun-a", 1001, 10);
  fake.add({ pid: 12, parent: 11, title: "bash", exe: "/bin/bash" });
  fake.remove(OWN_PID);
  fake.add({ pid: OWN_PID, parent: 12, title: "node", exe: "/usr/bin/node", start: 1_000_000 });
  expect(await verdicts()).toEqual({});
});

test("the child is ended, and root's process only where it stays", async () => {
  login("tun-a", 1001, 10);
  const following = {
    ...fake.system,
    send: (pid: number, signal: NodeJS.Signals) => {
      fake.system.send(pid, signal);
      if (pid === 11) fake.remove(10); // as a monitor does
      fake.remove(pid);
    },
  };
  const [first] = await findTunnelSessions({}, following);
  expect(await first?.end()).toBe(true);
  expect(fake.signals).toEqual(["11 SIGTERM"]);

  login("tun-a", 1001, 10);
  const staying = {
    ...fake.system,
    send: (pid: number, signal: NodeJS.Signals) => {
      fake.system.send(pid, signal);
      if (signal === "SIGKILL") fake.remove(pid);
    },
  };
  const [second] = await findTunnelSessions({ termTimeoutMs: 30 }, staying);
  fake.signals.length = 0;
  expect(await second?.end()).toBe(true);
  expect(fake.signals).toEqual(["11 SIGTERM", "11 SIGKILL", "10 SIGTERM", "10 SIGKILL"]);
});

test.each(["", "a b", "x/", "*"])("%j begins no user's name", async (prefix) => {
  await expect(findTunnelSessions({ prefix }, fake.system)).rejects.toMatchObject({
    code: "ERR_SSH_REVERSE_OPTION",
  });
});

test("without a /proc it says so", async () => {
  const system = { ...fake.system, proc: `${fake.system.proc}/nowhere` };
  await expect(findTunnelSessions({}, system)).rejects.toMatchObject({
    code: "ERR_SSH_REVERSE_PROC",
  });
});
