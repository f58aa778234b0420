import { describe, expect, test } from "vitest";
import { ProcessTable } from "../../src/cleanup/process-table.ts";
import { findSshdSessions } from "../../src/cleanup/sshd-sessions.ts";
import { type FakeProc, type FakeProcess, fakeProc } from "../support/fake-proc.ts";

const A = [1001, 1001, 1001, 1001] as const;

function found(fake: FakeProc, prefix = "tun-"): string[] {
  const table = new ProcessTable(fake.system.proc);
  return findSshdSessions(table, prefix, fake.system.passwd).map(
    ({ user, child, monitor }) => `${user} ${child.pid} ${monitor.pid}`,
  );
}

function pair(
  fake: FakeProc,
  child: Partial<FakeProcess> = {},
  monitor: Partial<FakeProcess> = {},
): void {
  fake.add({ pid: 10, parent: 2, title: "sshd: tun-a [priv]", ...monitor });
  fake.add({ pid: 11, parent: 10, title: "sshd: tun-a", uids: A, ...child });
}

describe("logins of the prefix's users", () => {
  test.each([
    ["sshd up to 9.7", "sshd", "/usr/sbin/sshd", "", "[priv]"],
    ["one with a session", "sshd", "/usr/sbin/sshd", "@notty", "[priv]"],
    ["one with a terminal", "sshd", "/usr/sbin/sshd", "@pts/3", "[priv]"],
    ["sshd-session of 9.8", "sshd-session", "/usr/lib/openssh/sshd-session", "", "[priv]"],
    ["sshd-session of 10.5", "sshd-session", "/usr/lib/openssh/sshd-session", "", "[postauth]"],
    ["one whose program may not be seen", "sshd-session", null, "", "[priv]"],
  ])("%s", (_what, name, exe, suffix, role) => {
    using fake = fakeProc({ "tun-a": 1001 });
    fake.add({ pid: 2, title: `${name}: /usr/sbin/sshd -D [listener] 0 of 10-100 startups` });
    const title = `${name}: tun-a`;
    pair(fake, { name, exe, title: `${title}${suffix}` }, { name, exe, title: `${title} ${role}` });
    expect(found(fake)).toEqual(["tun-a 11 10"]);
    expect(found(fake, "tun-b")).toEqual([]);
  });

  test("a user whom the list of users does not have is believed by the title", () => {
    using fake = fakeProc({});
    pair(fake);
    expect(found(fake)).toEqual(["tun-a 11 10"]);
  });
});

describe("what is left alone", () => {
  test.each<[string, Partial<FakeProcess>, Partial<FakeProcess>]>([
    ["another user's process with this title", { uids: [1002, 1002, 1002, 1002] }, {}],
    ["root's", { uids: [0, 0, 0, 0] }, {}],
    ["a process between two users", { uids: [1001, 0, 1001, 1001] }, {}],
    ["a process without root's monitor above it", {}, { uids: A }],
    ["a process below another user's monitor", {}, { title: "sshd: tun-b [priv]" }],
    ["a process below the sshd that takes connections", {}, { title: "sshd: x [listener]" }],
    ["another program with this title", { exe: "/tmp/not-sshd" }, {}],
    ["another program above it", {}, { exe: "/usr/bin/su" }],
    ["a login before its authentication", { title: "sshd: tun-a [net]" }, {}],
    ["the helper of PAM", { title: "sshd: tun-a [pam]" }, {}],
    ["an ended process that its parent did not ask about yet", { state: "Z" }, {}],
    ["the titles of two versions", { title: "sshd-session: tun-a" }, {}],
  ])("%s", (_what, child, monitor) => {
    using fake = fakeProc({ "tun-a": 1001, other: 1002 });
    pair(fake, child, monitor);
    expect(found(fake)).toEqual([]);
  });
});
