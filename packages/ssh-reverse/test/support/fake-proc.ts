import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CleanupSystem } from "../../src/cleanup/tunnel-sessions.ts";

/** A process that is written into a fake /proc. What is missing is like that of an ordinary process of root. */
export interface FakeProcess {
  readonly pid: number;
  readonly parent?: number;
  readonly name?: string;
  readonly state?: string;
  readonly uids?: readonly number[];
  /** As in /proc/PID/cmdline, without the zeros at its end. */
  readonly title: string;
  /** Link of /proc/PID/exe; null where it may not be seen. @defaultValue /usr/sbin/sshd */
  readonly exe?: string | null;
  /** Inodes of its sockets; null where they may not be seen. */
  readonly sockets?: readonly number[] | null;
  readonly network?: string;
  /** In ticks. @defaultValue 0: long ago */
  readonly start?: number;
}

/** A folder that looks like /proc, with a list of users beside it. */
export interface FakeProc extends Disposable {
  readonly system: CleanupSystem;
  /** Signals that were sent, `PID SIGNAL`. */
  readonly signals: string[];
  add(process: FakeProcess): void;
  remove(pid: number): void;
  /** Writes the tables of sockets; ports by inode. */
  listen(tcp: Readonly<Record<number, number>>, unix?: Readonly<Record<number, string>>): void;
}

/** The pid of whoever looks. */
export const OWN_PID = 900;

const TCP_HEAD =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const UNIX_HEAD = "Num       RefCount Protocol Flags    Type St Inode Path";

export function fakeProc(users: Readonly<Record<string, number>> = {}): FakeProc {
  const folder = mkdtempSync(join(tmpdir(), "dialhome-fake-proc-"));
  const proc = join(folder, "proc");
  const passwd = join(folder, "passwd");
  mkdirSync(join(proc, "net"), { recursive: true });
  const lines = Object.entries(users).map(
    ([user, uid]) => `${user}:x:${uid}:${uid}::/nonexistent:/bin/false\n`,
  );
  writeFileSync(passwd, `root:x:0:0:root:/root:/bin/sh\n${lines.join("")}`);
  const signals: string[] = [];
  const result: FakeProc = {
    system: {
      proc,
      passwd,
      ownPid: OWN_PID,
      send: (pid, signal) => void signals.push(`${pid} ${signal}`),
    },
    signals,
    add: (process) => {
      const { pid, title } = process;
      const at = join(proc, String(pid));
      mkdirSync(join(at, "ns"), { recursive: true });
      const rest = Array.from({ length: 17 }, () => "0").join(" ");
      const { parent = 1, name = "sshd", state = "S", start = 0 } = process;
      writeFileSync(join(at, "stat"), `${pid} (${name}) ${state} ${parent} ${rest} ${start} 0\n`);
      const uids = process.uids ?? [0, 0, 0, 0];
      writeFileSync(join(at, "status"), `Name:\t${name}\nUid:\t${uids.join("\t")}\nGid:\t0\n`);
      writeFileSync(join(at, "cmdline"), `${title}${"\0".repeat(12)}`);
      if (process.exe !== null) symlinkSync(process.exe ?? "/usr/sbin/sshd", join(at, "exe"));
      symlinkSync(process.network ?? "net:[1]", join(at, "ns", "net"));
      if (process.sockets === null) return;
      mkdirSync(join(at, "fd"));
      symlinkSync("/dev/null", join(at, "fd", "0"));
      for (const [fd, inode] of (process.sockets ?? []).entries()) {
        symlinkSync(`socket:[${inode}]`, join(at, "fd", String(fd + 3)));
      }
    },
    remove: (pid) => rmSync(join(proc, String(pid)), { recursive: true, force: true }),
    listen: (tcp, unix = {}) => {
      const row = (inode: string, port: number, state: string): string => {
        const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
        return `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000  1001        0 ${inode} 1 0 100 0 0 10 0`;
      };
      const rows = Object.entries(tcp).map(([inode, port]) => row(inode, port, "0A"));
      writeFileSync(join(proc, "net", "tcp"), `${[TCP_HEAD, ...rows].join("\n")}\n`);
      const names = Object.entries(unix).map(
        ([inode, path]) => `00000000d807cef3: 00000002 00000000 00010000 0001 01 ${inode} ${path}`,
      );
      writeFileSync(join(proc, "net", "unix"), `${[UNIX_HEAD, ...names].join("\n")}\n`);
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
  result.add({ pid: OWN_PID, name: "node", exe: "/usr/bin/node", title: "node", start: 1_000_000 });
  result.listen({});
  return result;
}
