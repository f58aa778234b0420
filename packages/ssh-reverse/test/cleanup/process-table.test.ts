import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { expect, test } from "vitest";
import { ProcessTable, parseStat } from "../../src/cleanup/process-table.ts";
import { fakeProc } from "../support/fake-proc.ts";

test("the name in a stat line may hold blanks and brackets", () => {
  const rest = Array.from({ length: 17 }, (_, at) => String(at)).join(" ");
  expect(parseStat(`42 (a) (b c) S 7 ${rest} 12345 99\n`)).toEqual({
    pid: 42,
    name: "a) (b c",
    state: "S",
    parentPid: 7,
    startTicks: 12_345,
  });
  for (const text of ["", "42", "42 (name", "x (name) S y", ") 4 ("]) {
    expect(parseStat(text)).toBeUndefined();
  }
});

test("the real /proc is read", () => {
  const table = new ProcessTable();
  expect(table.pids()).toContain(process.pid);
  expect(table.stat(process.pid)).toMatchObject({ pid: process.pid, parentPid: process.ppid });
  expect(table.uid(process.pid)).toBe(process.getuid?.());
  expect(table.network(process.pid)).toMatch(/^net:\[\d+\]$/);
  expect(table.sockets(process.pid)).toBeInstanceOf(Set);
});

test("what vanished, or may not be seen, is undefined", () => {
  using fake = fakeProc();
  fake.add({ pid: 5, title: "sshd: a", exe: null, sockets: null, uids: [1, 0, 0, 0] });
  const table = new ProcessTable(fake.system.proc);
  expect(table.program(5)).toBeUndefined();
  expect(table.sockets(5)).toBeUndefined();
  expect(table.uid(5)).toBeUndefined(); // a program on its way between two users is no user's
  expect(table.title(5)).toBe("sshd: a");
  rmSync(join(fake.system.proc, "5"), { recursive: true });
  mkdirSync(join(fake.system.proc, "5"));
  expect([table.stat(5), table.title(5), table.network(5)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test("a program that was replaced while it ran keeps its name", () => {
  using fake = fakeProc();
  fake.add({ pid: 5, title: "x", exe: "/usr/lib/openssh/sshd-session (deleted)" });
  expect(new ProcessTable(fake.system.proc).program(5)).toBe("sshd-session");
});
