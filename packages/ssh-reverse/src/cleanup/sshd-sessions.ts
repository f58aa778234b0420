import { readFileSync } from "node:fs";
import { isRunning, type ProcessStat, type ProcessTable } from "./process-table.ts";

/** One login at OpenSSH's sshd: the two processes that privilege separation makes of it. */
export interface SshdSession {
  readonly user: string;
  /** The process that runs as the user, and holds the forwardings. */
  readonly child: ProcessStat;
  /** Its parent, root's, which only watches over it. */
  readonly monitor: ProcessStat;
}

/** OpenSSH's programs that serve a login: one up to 9.7, the other from 9.8 on. Both begin their titles with their names. */
const PROGRAMS: ReadonlySet<string> = new Set(["sshd", "sshd-session"]);

/** `sshd: NAME`, `sshd: NAME@notty`, `sshd: NAME@pts/3`. */
const CHILD_TITLE = /^(sshd|sshd-session): ([^ @[\]]+)(?:@\S+)?$/;

/** What follows the user in the title of the monitor: the second since 10.5. */
const MONITORS = ["[priv]", "[postauth]"];

/**
 * Finds the logins of users whose name begins with the prefix. A title alone proves nothing, since every program sets its
 * own: the child must run as one user who is not root and whom the title names, the parent as root, with the title that sshd
 * gives to the monitor of this user, and both must run sshd's program.
 *
 * @param passwd - path of the list of users; a user who is not in it is believed by the title
 */
export function findSshdSessions(
  table: ProcessTable,
  prefix: string,
  passwd: string,
): SshdSession[] {
  const names = readUserNames(passwd);
  const found: SshdSession[] = [];
  for (const pid of table.pids()) {
    const [, program, user] = CHILD_TITLE.exec(table.title(pid) ?? "") ?? [];
    if (program === undefined || user === undefined || !user.startsWith(prefix)) continue;
    const child = table.stat(pid);
    const uid = table.uid(pid);
    if (child === undefined || uid === undefined || uid === 0 || !isRunning(child)) continue;
    if (names.get(uid)?.has(user) === false) continue;
    const monitor = table.stat(child.parentPid);
    if (monitor === undefined || table.uid(monitor.pid) !== 0) continue;
    const title = table.title(monitor.pid);
    if (!MONITORS.some((role) => title === `${program}: ${user} ${role}`)) continue;
    if (![child, monitor].every((process) => isSshd(table, process))) continue;
    found.push({ user, child, monitor });
  }
  return found;
}

/** The file is what counts; who may not see it has to do with the kernel's name. */
function isSshd(table: ProcessTable, { pid, name }: ProcessStat): boolean {
  return PROGRAMS.has(table.program(pid) ?? name);
}

function readUserNames(passwd: string): Map<number, Set<string>> {
  const names = new Map<number, Set<string>>();
  let text = "";
  try {
    text = readFileSync(passwd, "utf8");
  } catch {
    // Users may come from elsewhere altogether.
  }
  for (const line of text.split("\n")) {
    const [name = "", , uid = ""] = line.split(":");
    if (!/^\d+$/.test(uid)) continue;
    const known = names.get(Number(uid)) ?? new Set();
    names.set(Number(uid), known.add(name));
  }
  return names;
}
