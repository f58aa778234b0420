/** One user's or group's line of an access control list. */
export interface PosixAclName {
  readonly kind: "user" | "group";
  readonly id: number;
  /** Read 4, write 2, execute 1. */
  readonly permissions: number;
}

/** A POSIX access control list (acl(5)). */
export interface PosixAcl {
  readonly owner: number;
  readonly group: number;
  /** Upper bound for the group and all names; there whenever there are names. */
  readonly mask: number | undefined;
  readonly other: number;
  readonly named: readonly PosixAclName[];
}

/** Attributes in which Linux keeps the lists (linux/xattr.h). */
export const ACL_ATTRIBUTE = {
  access: "system.posix_acl_access",
  default: "system.posix_acl_default",
} as const;

/** Version and tags of the attribute's value (linux/posix_acl_xattr.h). */
const VERSION = 2;
const TAG = {
  OWNER: 0x01,
  USER: 0x02,
  GROUP_OBJ: 0x04,
  GROUP: 0x08,
  MASK: 0x10,
  OTHER: 0x20,
} as const;
const NO_ID = 0xffff_ffff;
const ENTRY_BYTES = 8;

/** Reads the value of an {@link ACL_ATTRIBUTE}; undefined when it is not of the known form. */
export function decodePosixAcl(value: Uint8Array): PosixAcl | undefined {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  if (
    value.length < 4 ||
    (value.length - 4) % ENTRY_BYTES !== 0 ||
    view.getUint32(0, true) !== VERSION
  ) {
    return undefined;
  }
  const single = new Map<number, number>();
  const named: PosixAclName[] = [];
  for (let at = 4; at < value.length; at += ENTRY_BYTES) {
    const tag = view.getUint16(at, true);
    const permissions = view.getUint16(at + 2, true) & 7;
    const id = view.getUint32(at + 4, true);
    if (tag === TAG.USER) named.push({ kind: "user", id, permissions });
    else if (tag === TAG.GROUP) named.push({ kind: "group", id, permissions });
    else single.set(tag, permissions);
  }
  const owner = single.get(TAG.OWNER);
  const group = single.get(TAG.GROUP_OBJ);
  const other = single.get(TAG.OTHER);
  if (owner === undefined || group === undefined || other === undefined) return undefined;
  return { owner, group, mask: single.get(TAG.MASK), other, named };
}

/** Writes the value of an {@link ACL_ATTRIBUTE}, in the order that the kernel asks for. */
export function encodePosixAcl(acl: PosixAcl): Buffer {
  const users = acl.named.filter(({ kind }) => kind === "user").toSorted((a, b) => a.id - b.id);
  const groups = acl.named.filter(({ kind }) => kind === "group").toSorted((a, b) => a.id - b.id);
  const entries: [tag: number, permissions: number, id: number][] = [
    [TAG.OWNER, acl.owner, NO_ID],
    ...users.map(({ permissions, id }): [number, number, number] => [TAG.USER, permissions, id]),
    [TAG.GROUP_OBJ, acl.group, NO_ID],
    ...groups.map(({ permissions, id }): [number, number, number] => [TAG.GROUP, permissions, id]),
  ];
  if (acl.mask !== undefined) entries.push([TAG.MASK, acl.mask, NO_ID]);
  entries.push([TAG.OTHER, acl.other, NO_ID]);
  const value = Buffer.alloc(4 + entries.length * ENTRY_BYTES);
  value.writeUInt32LE(VERSION, 0);
  entries.forEach(([tag, permissions, id], index) => {
    const at = 4 + index * ENTRY_BYTES;
    value.writeUInt16LE(tag, at);
    value.writeUInt16LE(permissions, at + 2);
    value.writeUInt32LE(id, at + 4);
  });
  return value;
}
