import {
  ACL_ATTRIBUTE,
  decodePosixAcl,
  encodePosixAcl,
  type PosixAcl,
  type PosixAclName,
} from "@dialhome/posix-fs";
import {
  type FileEntry,
  isDirectory,
  type NamedPermission,
  type WireAcl,
} from "@dialhome/rsync-protocol";
import { decodeAclRecord, encodeAclRecord, type RecordedAcl } from "./acl-record.ts";
import type { LocalIds } from "./local-ids.ts";
import type { XattrTarget } from "./xattr-target.ts";

/** Records of `--fake-super`. */
const RECORD = { access: "user.rsync.%aacl", default: "user.rsync.%dacl" } as const;

/** Compares and sets the access control lists of entries (`-A`). */
export class AccessLists {
  readonly #ids: LocalIds;
  readonly #fake: boolean;

  constructor(ids: LocalIds, fake: boolean) {
    this.#ids = ids;
    this.#fake = fake;
  }

  /** Whether a file's lists are not those of the entry, whose permissions are `mode`. Throws what reading throws. */
  differ(target: XattrTarget, entry: FileEntry, mode: number): boolean {
    if (!entry.acl) return false;
    if (this.#accessDiffers(target, entry.acl.access, mode)) return true;
    return isDirectory(entry) && this.#defaultDiffers(target, entry.acl.default);
  }

  /** Sets the lists that differ. @returns whether there were any. Throws what the kernel refuses. */
  apply(target: XattrTarget, entry: FileEntry, mode: number): boolean {
    if (!entry.acl) return false;
    let changed = false;
    if (this.#accessDiffers(target, entry.acl.access, mode)) {
      this.#setAccess(target, entry.acl.access, mode);
      changed = true;
    }
    if (isDirectory(entry) && this.#defaultDiffers(target, entry.acl.default)) {
      this.#setDefault(target, entry.acl.default);
      changed = true;
    }
    return changed;
  }

  /** What follows from the mode is not compared: the permissions are set by it. */
  #accessDiffers(target: XattrTarget, wire: WireAcl, mode: number): boolean {
    const here = this.#read(target, "access");
    const group = (mode >> 3) & 7;
    const hasMask = wire.mask !== undefined || wire.named.length > 0;
    if ((here?.mask !== undefined) !== hasMask) return true;
    if (hasMask && (here?.group ?? group) !== (wire.group ?? group)) return true;
    return !sameNames(here?.named ?? [], this.#named(wire));
  }

  #defaultDiffers(target: XattrTarget, wire: WireAcl | undefined): boolean {
    const here = this.#read(target, "default");
    if (wire?.owner === undefined) return here !== undefined;
    if (!here) return true;
    const wanted = defaultList(wire, this.#named(wire));
    return (
      here.owner !== wanted.owner ||
      here.group !== wanted.group ||
      here.mask !== wanted.mask ||
      here.other !== wanted.other ||
      !sameNames(here.named, wanted.named)
    );
  }

  #read(target: XattrTarget, kind: "access" | "default"): RecordedAcl | undefined {
    const value = target.get(this.#fake ? RECORD[kind] : ACL_ATTRIBUTE[kind]);
    if (!value) return undefined;
    return this.#fake ? decodeAclRecord(value) : decodePosixAcl(value);
  }

  #setAccess(target: XattrTarget, wire: WireAcl, mode: number): void {
    const named = this.#named(wire);
    const group = (mode >> 3) & 7;
    const mask = wire.mask ?? (named.length > 0 ? group : undefined);
    if (this.#fake) {
      const record = { owner: wire.owner, group: wire.group, mask, other: wire.other, named };
      target.set(RECORD.access, encodeAclRecord(record));
      return;
    }
    target.set(ACL_ATTRIBUTE.access, encodePosixAcl(accessList(wire, mode, named)));
  }

  #setDefault(target: XattrTarget, wire: WireAcl | undefined): void {
    const attribute = this.#fake ? RECORD.default : ACL_ATTRIBUTE.default;
    if (wire?.owner === undefined) {
      target.remove(attribute);
      return;
    }
    const acl = defaultList(wire, this.#named(wire));
    target.set(attribute, this.#fake ? encodeAclRecord(acl) : encodePosixAcl(acl));
  }

  #named({ named }: WireAcl): PosixAclName[] {
    return named.map(({ kind, id, permissions }: NamedPermission) => ({
      kind,
      id: kind === "user" ? this.#ids.user(id) : this.#ids.groupId(id),
      permissions,
    }));
  }
}

/** An access list in full, with what follows from the mode. */
export function accessList(wire: WireAcl, mode: number, named: readonly PosixAclName[]): PosixAcl {
  const group = (mode >> 3) & 7;
  return {
    owner: (mode >> 6) & 7,
    group: wire.group ?? group,
    // With a mask the mode's group bits are the mask.
    mask: wire.mask === undefined && named.length === 0 ? undefined : group,
    other: mode & 7,
    named,
  };
}

/** A default list in full: where names came without a mask, it is what they and the group need (acl(5)). */
export function defaultList(wire: WireAcl, named: readonly PosixAclName[]): PosixAcl {
  const group = wire.group ?? 0;
  let mask = wire.mask;
  if (mask === undefined && named.length > 0) {
    mask = named.reduce((bits, { permissions }) => bits | permissions, group);
  }
  return { owner: wire.owner ?? 0, group, mask, other: wire.other ?? 0, named };
}

function sameNames(a: readonly PosixAclName[], b: readonly PosixAclName[]): boolean {
  if (a.length !== b.length) return false;
  const left = a.toSorted(byName);
  const right = b.toSorted(byName);
  return left.every(({ kind, id, permissions }, index) => {
    const other = right[index];
    return other?.kind === kind && other.id === id && other.permissions === permissions;
  });
}

function byName(a: PosixAclName, b: PosixAclName): number {
  if (a.kind !== b.kind) return a.kind === "user" ? -1 : 1;
  return a.id - b.id;
}
