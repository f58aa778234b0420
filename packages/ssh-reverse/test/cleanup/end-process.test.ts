import { expect, test } from "vitest";
import { endProcess } from "../../src/cleanup/end-process.ts";
import { type ProcessStat, ProcessTable } from "../../src/cleanup/process-table.ts";
import { type FakeProc, fakeProc } from "../support/fake-proc.ts";

const TIMES = { termTimeoutMs: 40, killTimeoutMs: 40 };

function target(fake: FakeProc, state = "S"): [ProcessTable, ProcessStat] {
  fake.add({ pid: 11, title: "sshd: tun-a", start: 77, state });
  const table = new ProcessTable(fake.system.proc);
  const stat = table.stat(11);
  if (stat === undefined) throw new Error("no such process");
  return [table, stat];
}

test("a process that ends when asked to gets one signal", async () => {
  using fake = fakeProc();
  const [table, stat] = target(fake);
  const ended = endProcess(table, stat, TIMES, (pid, signal) => {
    fake.system.send(pid, signal);
    fake.remove(pid);
  });
  expect(await ended).toBe(true);
  expect(fake.signals).toEqual(["11 SIGTERM"]);
});

test("a process that does not is killed, and what cannot be killed is told", async () => {
  using fake = fakeProc();
  const [table, stat] = target(fake);
  expect(await endProcess(table, stat, TIMES, fake.system.send)).toBe(false);
  expect(fake.signals).toEqual(["11 SIGTERM", "11 SIGKILL"]);
});

test("a pid that went to another process is not touched, neither before the first signal nor before the second", async () => {
  using fake = fakeProc();
  const [table, stat] = target(fake);
  const ended = endProcess(table, stat, TIMES, (pid, signal) => {
    fake.system.send(pid, signal);
    fake.remove(pid);
    fake.add({ pid, title: "somebody else", start: 78 });
  });
  expect(await ended).toBe(true);
  expect(await endProcess(table, stat, TIMES, fake.system.send)).toBe(true);
  expect(fake.signals).toEqual(["11 SIGTERM"]);
});

test("an ended process waits for nobody, and a refused signal is told", async () => {
  using fake = fakeProc();
  expect(await endProcess(...target(fake, "Z"), TIMES, fake.system.send)).toBe(true);
  fake.remove(11);
  const [table, stat] = target(fake);
  const refused = endProcess(table, stat, TIMES, () => {
    throw Object.assign(new Error("not permitted"), { code: "EPERM" });
  });
  expect(await refused).toBe(false);
  expect(fake.signals).toEqual([]);
});
