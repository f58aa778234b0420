import { readFileSync } from "node:fs";
import type { FileEntry, IdNames } from "@dialhome/rsync-protocol";
import type { TransferOptions } from "./pull-options.ts";

/** Who a file here should belong to; undefined leaves it as the system makes it. */
export interface Ownership {
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

/**
 * Translates the sender's ids to ours: by name where a name came and is known here, else the number itself; id 0 is never
 * translated. As a plain user, owners are left alone and only groups that we are in are given.
 */
export class LocalIds {
  readonly #names: IdNames;
  readonly #owner: boolean;
  readonly #group: boolean;
  readonly #users: IdMap;
  readonly #groups: IdMap;
  readonly #mayGive: boolean;
  readonly #ourGroups: ReadonlySet<number>;

  constructor(options: TransferOptions, names: IdNames) {
    this.#names = names;
    this.#mayGive = process.geteuid?.() === 0;
    this.#owner = options.owner === true && this.#mayGive;
    this.#group = options.group === true;
    this.#ourGroups = new Set([process.getegid?.() ?? 0, ...(process.getgroups?.() ?? [])]);
    const numeric = options.numericIds === true;
    this.#users = new IdMap("/etc/passwd", numeric);
    this.#groups = new IdMap("/etc/group", numeric);
  }

  of(entry: FileEntry): Ownership {
    const uid = this.#owner ? this.#users.local(entry.uid, this.#names.users) : undefined;
    const gid = this.#group ? this.#groups.local(entry.gid, this.#names.groups) : undefined;
    const allowed = gid === undefined || this.#mayGive || this.#ourGroups.has(gid);
    return { uid, gid: allowed ? gid : undefined };
  }
}

/** Ids of one kind, remembered once they were looked up. */
class IdMap {
  readonly #file: string;
  readonly #numeric: boolean;
  readonly #known = new Map<number, number>();
  #byName: ReadonlyMap<string, number> | undefined;

  constructor(file: string, numeric: boolean) {
    this.#file = file;
    this.#numeric = numeric;
  }

  local(id: number, names: ReadonlyMap<number, string>): number {
    if (this.#numeric || id === 0) return id;
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const name = names.get(id);
    this.#byName ??= idsByName(this.#file);
    const local = (name === undefined ? undefined : this.#byName.get(name)) ?? id;
    this.#known.set(id, local);
    return local;
  }
}

/** `name:password:id:…`, the form of passwd(5) and group(5). A missing file knows nobody. */
function idsByName(file: string): ReadonlyMap<string, number> {
  const ids = new Map<string, number>();
  let text = "";
  try {
    text = readFileSync(file, "latin1");
  } catch {
    return ids;
  }
  for (const line of text.split("\n")) {
    const [name, , id] = line.split(":");
    if (name && id !== undefined && /^\d+$/.test(id) && !ids.has(name)) ids.set(name, Number(id));
  }
  return ids;
}
