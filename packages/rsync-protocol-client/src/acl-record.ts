import type { PosixAclName } from "@dialhome/posix-fs";

/** An access control list as `--fake-super` writes it down: what follows from the mode may be left out. */
export interface RecordedAcl {
  readonly owner: number | undefined;
  readonly group: number | undefined;
  readonly mask: number | undefined;
  readonly other: number | undefined;
  readonly named: readonly PosixAclName[];
}

/** Stands for what is left out (NO_ENTRY of rsync's acls.c). */
const ABSENT = 0x80;
/** Beside a user's permissions; a group's have nothing. */
const IS_USER = 0x8000_0000;
const HEAD_BYTES = 16;
const NAME_BYTES = 8;

/** `user.rsync.%aacl`, `%dacl`: four words for owner, group, mask and others, two for each name; all little-endian. */
export function encodeAclRecord(acl: RecordedAcl): Buffer {
  const record = Buffer.alloc(HEAD_BYTES + acl.named.length * NAME_BYTES);
  [acl.owner, acl.group, acl.mask, acl.other].forEach((permissions, index) => {
    record.writeUInt32LE(permissions ?? ABSENT, index * 4);
  });
  acl.named.forEach(({ kind, id, permissions }, index) => {
    const at = HEAD_BYTES + index * NAME_BYTES;
    record.writeUInt32LE(id, at);
    record.writeUInt32LE(kind === "user" ? permissions + IS_USER : permissions, at + 4);
  });
  return record;
}

/** Undefined when it is no such record. */
export function decodeAclRecord(record: Buffer): RecordedAcl | undefined {
  if (record.length < HEAD_BYTES || (record.length - HEAD_BYTES) % NAME_BYTES !== 0)
    return undefined;
  const part = (index: number): number | undefined => {
    const word = record.readUInt32LE(index * 4);
    return word === ABSENT ? undefined : word & 7;
  };
  const named: PosixAclName[] = [];
  for (let at = HEAD_BYTES; at < record.length; at += NAME_BYTES) {
    const word = record.readUInt32LE(at + 4);
    named.push({
      kind: word >= IS_USER ? "user" : "group",
      id: record.readUInt32LE(at),
      permissions: word & 7,
    });
  }
  return { owner: part(0), group: part(1), mask: part(2), other: part(3), named };
}
