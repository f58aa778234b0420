import { readFileSync } from "node:fs";
import type { FileEntry, IdNames } from "@dialhome/rsync-protocol";
import { type IdRule, parseIdMap } from "./id-maps.ts";
import type { Privilege } from "./privilege.ts";
import type { OwnerHere, TransferOptions } from "./pull-options.ts";

/** Who a file here should belong to; undefined leaves it as the system makes it. */
export interface Ownership {
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

/**
 * Translates the sender's ids to ours: by the user's own map, else by name where a name came and is known here, else the number
 * itself; id 0 is never translated by name. As a plain user, owners are left alone and only groups that we are in are given.
 */
export class LocalIds {
  readonly #owner: boolean;
  readonly #group: boolean;
  readonly #users: IdMap;
  readonly #groups: IdMap;
  readonly #mayGive: boolean;
  readonly #ourGroups: ReadonlySet<number>;

  /** @param warn - hears of a name in a map that is not known here; its rule does not hold */
  constructor(
    options: TransferOptions,
    names: IdNames,
    privilege: Privilege,
    warn: (text: string) => void,
  ) {
    this.#mayGive = privilege !== "user";
    this.#owner = options.owner === true && this.#mayGive;
    this.#group = options.group === true;
    this.#ourGroups = new Set([process.getegid?.() ?? 0, ...(process.getgroups?.() ?? [])]);
    const numeric = options.numericIds === true;
    const { userMap, groupMap } = options;
    const users = userMap === undefined ? [] : parseIdMap(userMap, "usermap");
    const groups = groupMap === undefined ? [] : parseIdMap(groupMap, "groupmap");
    this.#users = new IdMap("/etc/passwd", numeric, names.users, users, (name) => {
      warn(`unknown --usermap name: ${name}`);
    });
    this.#groups = new IdMap("/etc/group", numeric, names.groups, groups, (name) => {
      warn(`unknown --groupmap name: ${name}`);
    });
  }

  of(entry: FileEntry): Ownership {
    const uid = this.#owner ? this.#users.local(entry.uid) : undefined;
    const gid = this.#group ? this.#groups.local(entry.gid) : undefined;
    return { uid, gid: gid !== undefined && this.#mayHave(gid) ? gid : undefined };
  }

  #mayHave(gid: number): boolean {
    return this.#mayGive || this.#ourGroups.has(gid);
  }

  /** Whose an entry is here, whatever of it is set. */
  told(entry: FileEntry): OwnerHere {
    const gid = this.#groups.local(entry.gid);
    return { uid: this.#users.local(entry.uid), gid: this.#mayHave(gid) ? gid : undefined };
  }

  /** A user's id here, for access control lists. */
  user(uid: number): number {
    return this.#users.local(uid);
  }

  /** A group's id here, for access control lists. */
  groupId(gid: number): number {
    return this.#groups.local(gid);
  }
}

/** Ids of one kind, remembered once they were looked up. */
class IdMap {
  readonly #file: string;
  readonly #numeric: boolean;
  readonly #names: ReadonlyMap<number, string>;
  readonly #rules: readonly { readonly matches: IdRule["matches"]; readonly id: number }[];
  readonly #known = new Map<number, number>();
  #byName: ReadonlyMap<string, number> | undefined;

  constructor(
    file: string,
    numeric: boolean,
    names: ReadonlyMap<number, string>,
    rules: readonly IdRule[],
    onUnknown: (name: string) => void,
  ) {
    this.#file = file;
    this.#numeric = numeric;
    this.#names = names;
    this.#rules = rules.flatMap(({ matches, to }) => {
      const id = /^\d+$/.test(to) ? Number(to) : this.#idOf(to);
      if (id !== undefined) return [{ matches, id }];
      onUnknown(to);
      return [];
    });
  }

  local(id: number): number {
    if (this.#rules.length === 0 && (this.#numeric || id === 0)) return id;
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const local = this.#translate(id);
    this.#known.set(id, local);
    return local;
  }

  #translate(id: number): number {
    const name = this.#numeric ? "" : (this.#names.get(id) ?? (id === 0 ? "root" : ""));
    const rule = this.#rules.find(({ matches }) => matches(id, name));
    if (rule) return rule.id;
    if (id === 0 || name === "") return id;
    return this.#idOf(name) ?? id;
  }

  #idOf(name: string): number | undefined {
    this.#byName ??= idsByName(this.#file);
    return this.#byName.get(name);
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
