import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { LIMITS } from "./constants.ts";
import { protocolError } from "./errors.ts";

/** What one user or group may do. */
export interface NamedPermission {
  readonly kind: "user" | "group";
  readonly id: number;
  /** Read 4, write 2, execute 1. */
  readonly permissions: number;
}

/**
 * An access control list as it travels. What is left out follows from the mode (owner and others always; group and mask where
 * they say the same), or, in a default list, is not there.
 */
export interface WireAcl {
  readonly owner?: number;
  readonly group?: number;
  readonly mask?: number;
  readonly other?: number;
  readonly named: readonly NamedPermission[];
}

/** The lists of one entry; only directories have a default list. */
export interface EntryAcl {
  readonly access: WireAcl;
  readonly default: WireAcl | undefined;
}

const HAS = { OWNER: 1, GROUP: 2, MASK: 4, OTHER: 8, NAMED: 16 } as const;
/** In front of each named entry, below its permissions. */
const NAMED_IS = { NAME_FOLLOWS: 1, USER: 2 } as const;

/** What a list, and each named entry of it, takes in memory; bytes. */
const PERMISSION_BYTES = 80;

/** Gives the name that goes with an id when it is told for the first time. */
export type NameOnce = (kind: "user" | "group", id: number) => string | undefined;

/** Writes the lists of a session, one object for each kind (access, default). */
export class AclEncoder {
  readonly #sent = new Map<string, number>();

  write(writer: ByteWriter, acl: WireAcl, nameOnce: NameOnce): void {
    const key = JSON.stringify([acl.owner, acl.group, acl.mask, acl.other, acl.named]);
    const index = this.#sent.get(key);
    if (index !== undefined) {
      writer.varint(index);
      return;
    }
    this.#sent.set(key, this.#sent.size + 1);
    writer.varint(0);
    const parts = [acl.owner, acl.group, acl.mask, acl.other];
    let bits = acl.named.length > 0 ? HAS.NAMED : 0;
    parts.forEach((part, place) => {
      if (part !== undefined) bits |= 1 << place;
    });
    writer.byte(bits);
    for (const part of parts) if (part !== undefined) writer.varint(part);
    if (acl.named.length === 0) return;
    writer.varint(acl.named.length);
    for (const { kind, id, permissions } of acl.named) {
      const name = nameOnce(kind, id);
      writer.varint(id);
      writer.varint(
        (permissions << 2) |
          (kind === "user" ? NAMED_IS.USER : 0) |
          (name === undefined ? 0 : NAMED_IS.NAME_FOLLOWS),
      );
      if (name === undefined) continue;
      writer.byte(name.length);
      writer.latin1(name);
    }
  }
}

/** Reads the lists of a session, one object for each kind. */
export class AclDecoder {
  readonly #lists: WireAcl[] = [];
  #read: WireAcl | undefined;
  /** Memory of the lists so far, about; bytes. */
  heldBytes = 0;
  #names: { kind: "user" | "group"; id: number; name: string }[] = [];

  /** Reads within an attempt; {@link commit} keeps what was told in full. */
  read(reader: ByteReader): WireAcl {
    this.#read = undefined;
    this.#names = [];
    const index = reader.varint();
    if (index !== 0) {
      const acl = this.#lists[index - 1];
      if (!acl) throw protocolError(`access control list ${index} of ${this.#lists.length}`);
      return acl;
    }
    const bits = reader.byte();
    if (bits > 0x1f) throw protocolError(`access control list with flags 0x${bits.toString(16)}`);
    const owner = bits & HAS.OWNER ? readPermissions(reader) : undefined;
    const group = bits & HAS.GROUP ? readPermissions(reader) : undefined;
    const mask = bits & HAS.MASK ? readPermissions(reader) : undefined;
    const other = bits & HAS.OTHER ? readPermissions(reader) : undefined;
    const named: NamedPermission[] = [];
    const count =
      bits & HAS.NAMED ? reader.count("names in an access control list", LIMITS.idNames) : 0;
    for (let i = 0; i < count; i++) {
      const id = reader.varint() >>> 0;
      const word = reader.varint();
      if (word < 0 || word > 0x1f)
        throw protocolError(`permissions ${word >> 2} in an access control list`);
      const kind = word & NAMED_IS.USER ? "user" : "group";
      if (word & NAMED_IS.NAME_FOLLOWS) {
        this.#names.push({ kind, id, name: reader.latin1(reader.byte()) });
      }
      named.push({ kind, id, permissions: word >> 2 });
    }
    const acl: WireAcl = {
      ...(owner === undefined ? {} : { owner }),
      ...(group === undefined ? {} : { group }),
      ...(mask === undefined ? {} : { mask }),
      ...(other === undefined ? {} : { other }),
      named,
    };
    this.#read = acl;
    return acl;
  }

  commit(onName: (kind: "user" | "group", id: number, name: string) => void): void {
    if (!this.#read) return;
    this.heldBytes += (1 + this.#read.named.length) * PERMISSION_BYTES;
    this.#lists.push(this.#read);
    for (const { kind, id, name } of this.#names) onName(kind, id, name);
    this.#read = undefined;
  }
}

function readPermissions(reader: ByteReader): number {
  return reader.count("permissions in an access control list", 7);
}
