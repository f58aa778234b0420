import { ACL_ATTRIBUTE, encodePosixAcl } from "@dialhome/posix-fs";
import { type FileEntry, type ListedXattr, listXattr } from "@dialhome/rsync-protocol";
import { accessList, defaultList } from "./access-lists.ts";
import { isKept } from "./xattr-values.ts";

/**
 * The extended attributes that an entry has once a pull with `acls`, `xattrs` and `numericIds` has given it all of them, sorted by
 * name; its access lists are among them, as Linux keeps them. For someone who writes down what a tree should hold.
 *
 * @param all - of every namespace, as root keeps them; else `user.*` alone
 */
export function keptAttributes({ mode, xattrs, acl }: FileEntry, all: boolean): ListedXattr[] {
  // Most have none.
  if (xattrs === undefined && acl === undefined) return [];
  const kept = (xattrs ?? []).filter(({ name }) => isKept(name, all ? "root" : "user"));
  if (acl && (acl.access.mask !== undefined || acl.access.named.length > 0)) {
    const list = accessList(acl.access, mode, acl.access.named);
    kept.push(listXattr(ACL_ATTRIBUTE.access, encodePosixAcl(list)));
  }
  if (acl?.default?.owner !== undefined) {
    const list = defaultList(acl.default, acl.default.named);
    kept.push(listXattr(ACL_ATTRIBUTE.default, encodePosixAcl(list)));
  }
  return kept.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
