import { readFileSync } from "node:fs";
import type { IdNameLookup } from "@dialhome/rsync-protocol";

/** Largest passwd or group file that is read, in bytes. */
const FILE_BYTES = 16 * 1024 * 1024;

/** Names of users and groups as the system's files have them, read at the first use. */
export class SystemIdNames implements IdNameLookup {
  #users: ReadonlyMap<number, string> | undefined;
  #groups: ReadonlyMap<number, string> | undefined;

  userName(uid: number): string | undefined {
    this.#users ??= readNames("/etc/passwd");
    return this.#users.get(uid);
  }

  groupName(gid: number): string | undefined {
    this.#groups ??= readNames("/etc/group");
    return this.#groups.get(gid);
  }
}

/** passwd(5) and group(5) agree on the fields that matter: name, password, number. */
export function parseIdNames(text: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const line of text.split("\n")) {
    const [name, , id] = line.split(":");
    if (name === undefined || name === "" || id === undefined || !/^\d{1,10}$/.test(id)) continue;
    // The first line of an id counts, as for getpwuid(3).
    if (!names.has(Number(id))) names.set(Number(id), name);
  }
  return names;
}

function readNames(path: string): Map<number, string> {
  try {
    const bytes = readFileSync(path);
    return bytes.length > FILE_BYTES ? new Map() : parseIdNames(bytes.toString("latin1"));
  } catch {
    // Without the file there are no names; ids travel as numbers.
    return new Map();
  }
}
