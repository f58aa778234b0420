import { type FileEntry, ITEM, isListedValue, isLong, isSymlink } from "@dialhome/rsync-protocol";
import type { AccessLists } from "./access-lists.ts";
import { describeFailure, type Tally } from "./tally.ts";
import type { XattrTarget } from "./xattr-target.ts";
import { VALUE_BYTES, type WantedXattr, XattrValues } from "./xattr-values.ts";

/**
 * Access control lists and extended attributes (`-A`, `-X`): compared, and set where they differ. What cannot be read or set is a
 * problem and no more.
 */
export class ExtendedMetadata {
  readonly #lists: AccessLists | undefined;
  readonly #values: XattrValues | undefined;
  readonly #tally: Tally;

  constructor(lists: AccessLists | undefined, values: XattrValues | undefined, tally: Tally) {
    this.#lists = lists;
    this.#values = values;
    this.#tally = tally;
  }

  /** `ITEM` bits for what differs; `mode` is what the entry's permissions will be. */
  differences(entry: FileEntry, mode: number, target: XattrTarget): number {
    let bits = 0;
    if (this.#lists && !isSymlink(entry)) {
      try {
        if (this.#lists.differ(target, entry, mode)) bits |= ITEM.REPORT_ACL;
      } catch (error) {
        this.#problem("cannot read the access control list of", entry, error);
      }
    }
    if (this.#values && this.#xattrsDiffer(entry, target, this.#values)) bits |= ITEM.REPORT_XATTR;
    return bits;
  }

  /** `ITEM` bits of an entry that is not there yet. */
  ofNew({ xattrs }: FileEntry): number {
    return this.#values && xattrs && this.#values.wanted(xattrs).length > 0 ? ITEM.REPORT_XATTR : 0;
  }

  #xattrsDiffer(entry: FileEntry, target: XattrTarget, values: XattrValues): boolean {
    const wanted = values.wanted(entry.xattrs ?? []);
    try {
      const here = target.list().filter((name) => values.isOurs(name));
      if (here.length !== wanted.length) return true;
      return wanted.some((each) => !isSame(each, target));
    } catch (error) {
      this.#problem("cannot read the extended attributes of", entry, error);
      return wanted.length > 0;
    }
  }

  /** The long values that `target` does not have as they are wanted, by their numbers; all of them without a target. */
  lacking({ xattrs }: FileEntry, target: XattrTarget | undefined): number[] {
    if (!this.#values || !xattrs) return [];
    const lacking: number[] = [];
    for (const wanted of this.#values.wanted(xattrs)) {
      if (!XattrValues.isApart(wanted)) continue;
      try {
        if (target && isSame(wanted, target)) continue;
      } catch {
        // What cannot be read is not there.
      }
      lacking.push(wanted.number);
    }
    return lacking;
  }

  /**
   * Makes the attributes of `target` those of the entry.
   *
   * @param basis - where long values may be found that were not sent, since they are the same there
   */
  applyXattrs(target: XattrTarget, entry: FileEntry, basis: XattrTarget | undefined): void {
    const values = this.#values;
    if (!values || !entry.xattrs) return;
    const set = entry.xattrs;
    const wanted = values.wanted(set);
    try {
      const surplus = new Set(target.list().filter((name) => values.isOurs(name)));
      for (const each of wanted) {
        const exists = surplus.delete(each.name);
        if (exists && isSame(each, target)) continue;
        const value = valueOf(each, () => values.value(set, each), basis);
        if (value) this.#set(target, entry, each.name, value);
        else this.#tally.problem(lackOf(each, entry));
      }
      for (const name of surplus) this.#remove(target, entry, name);
    } catch (error) {
      this.#problem("cannot read the extended attributes of", entry, error);
    }
  }

  /** The entry has its name, and its attributes can be read there. */
  placed({ xattrs, name }: FileEntry): void {
    if (xattrs && xattrs.length > 0) this.#values?.placed(xattrs, name);
  }

  /** @returns whether a list was set, which may have changed the permissions */
  applyLists(target: XattrTarget, entry: FileEntry, mode: number): boolean {
    if (!this.#lists || isSymlink(entry)) return false;
    try {
      return this.#lists.apply(target, entry, mode);
    } catch (error) {
      this.#problem("cannot set the access control list of", entry, error);
      return true;
    }
  }

  #set(target: XattrTarget, entry: FileEntry, name: string, value: Uint8Array): void {
    try {
      target.set(name, value);
    } catch (error) {
      this.#problem(`cannot set the extended attribute "${name}" of`, entry, error);
    }
  }

  #remove(target: XattrTarget, entry: FileEntry, name: string): void {
    try {
      target.remove(name);
    } catch (error) {
      this.#problem(`cannot remove the extended attribute "${name}" of`, entry, error);
    }
  }

  #problem(what: string, entry: FileEntry, error: unknown): void {
    this.#tally.problem(describeFailure(what, entry.name, error));
  }
}

/** Whether `target` has the attribute with that value; of a long one the digest tells. */
function isSame({ name, listed }: WantedXattr, target: XattrTarget): boolean {
  const value = target.get(name);
  return value !== undefined && isListedValue(listed, value);
}

function valueOf(
  { name, listed }: WantedXattr,
  sent: () => Buffer | undefined,
  basis: XattrTarget | undefined,
): Uint8Array | undefined {
  if (!isLong(listed)) return listed.data;
  const value = sent();
  if (value) return value;
  const there = basis?.get(name);
  return there && isListedValue(listed, there) ? there : undefined;
}

function lackOf({ name, listed }: WantedXattr, entry: FileEntry): string {
  const why =
    listed.length > VALUE_BYTES
      ? `its ${listed.length} bytes are more than this system takes`
      : "the sender did not tell its value";
  return `cannot set the extended attribute "${name}" of "${entry.name}": ${why}`;
}
