import {
  ACL_ATTRIBUTE,
  decodePosixAcl,
  isDirectory,
  isSymlink,
  type PosixAcl,
} from "@dialhome/posix-fs";
import { type EntryAcl, listXattr, type WireAcl, type XattrSet } from "@dialhome/rsync-protocol";

/** rsync's own records of what a file should be (`--fake-super`): nobody else's business. */
const RSYNC_RECORDS = "user.rsync.%";
/** What others than root are told of. */
const USER_NAMESPACE = "user.";
/** Access control lists travel apart. */
const SYSTEM_NAMESPACE = "system.";

/** The extended attributes of one entry. */
export interface AttributesOfEntry {
  /** Names, latin1. */
  list(): string[];
  get(attribute: string): Buffer | undefined;
}

/** The access control lists of an entry that is no symbolic link, without what its mode says already. */
export function readAcl(attributes: AttributesOfEntry, mode: number): EntryAcl {
  const access = readList(attributes, ACL_ATTRIBUTE.access);
  const initial = isDirectory({ mode }) ? readList(attributes, ACL_ATTRIBUTE.default) : undefined;
  return {
    access: access ? withoutMode(access, (mode >> 3) & 7) : NOTHING,
    default: initial ? inFull(initial) : undefined,
  };
}

const NOTHING: WireAcl = { named: [] };

/** With a mask, the mode's group permissions are the mask, and the group's own are told where they differ. */
function withoutMode(acl: PosixAcl, groupBits: number): WireAcl {
  if (acl.mask === undefined) return NOTHING;
  return {
    ...(acl.group === groupBits ? {} : { group: acl.group }),
    ...(acl.named.length > 0 && acl.mask === groupBits ? {} : { mask: acl.mask }),
    named: acl.named,
  };
}

function inFull({ owner, group, mask, other, named }: PosixAcl): WireAcl {
  return { owner, group, other, named, ...(mask === undefined ? {} : { mask }) };
}

function readList(attributes: AttributesOfEntry, attribute: string): PosixAcl | undefined {
  const value = attributes.get(attribute);
  return value && decodePosixAcl(value);
}

/**
 * The extended attributes of an entry that may be told, sorted by name.
 *
 * @param isExcluded - filter rules about attributes, which stand in for the choice of namespaces
 */
export function readXattrs(
  attributes: AttributesOfEntry,
  mode: number,
  isExcluded?: (name: string) => boolean,
): XattrSet {
  // User attributes are for files and directories; asking other kinds is in vain for all but root.
  const isRoot = process.geteuid?.() === 0;
  if (!isRoot && isSymlink({ mode })) return [];
  const names = attributes
    .list()
    .filter((name) => {
      if (isExcluded) return !isExcluded(name);
      return isRoot ? !name.startsWith(SYSTEM_NAMESPACE) : name.startsWith(USER_NAMESPACE);
    })
    .filter((name) => !name.startsWith(RSYNC_RECORDS))
    .toSorted((a, b) => (a < b ? -1 : 1));
  const set = [];
  for (const name of names) {
    const value = attributes.get(name);
    if (value) set.push(listXattr(name, value));
  }
  return set;
}
