import { AclEncoder, type NameOnce, type WireAcl } from "./acl.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { XMIT } from "./constants.ts";
import { type DeviceNumbers, deviceNumbersOf } from "./device-numbers.ts";
import {
  type FileEntry,
  isDevice,
  isDirectory,
  isRegularFile,
  isSpecial,
  isSymlink,
} from "./file-entry.ts";
import type { FileList } from "./file-list.ts";
import type { FileListFormat } from "./file-list-format.ts";
import { InodeLinksEncoder } from "./inode-links.ts";
import { type Numbers, numbersOf } from "./numbers.ts";
import { XattrSetEncoder } from "./xattr.ts";

/** Names of users and groups by id, latin1; undefined where the system has none. */
export interface IdNameLookup {
  userName(uid: number): string | undefined;
  groupName(gid: number): string | undefined;
}

const NO_ACL: WireAcl = { named: [] };

/** Longest prefix that one byte can tell. */
const MAX_PREFIX = 255;

/** Writes the entries of all lists of one session, the mirror of `FileListDecoder`. */
export class FileListEncoder {
  readonly #format: FileListFormat;
  readonly #lookup: IdNameLookup;
  readonly #numbers: Numbers;
  readonly #devices: DeviceNumbers;
  /** What protocol 30 replaced; undefined from there on. */
  readonly #inodeLinks: InodeLinksEncoder | undefined;
  /** Ids met so far: with incremental recursion a name goes with the first use, else into the lists behind. */
  readonly #users = new Map<number, string | undefined>();
  readonly #groups = new Map<number, string | undefined>();
  readonly #accessLists = new AclEncoder();
  readonly #defaultLists = new AclEncoder();
  readonly #xattrSets = new XattrSetEncoder();
  #name = "";
  #mode = 0;
  #mtime = 0;
  #atime = 0;
  #uid = 0;
  #gid = 0;
  /** See `DeviceNumbers`. */
  #previousDevice = 0;

  constructor(format: FileListFormat, lookup: IdNameLookup) {
    this.#format = format;
    this.#numbers = numbersOf(format.protocol);
    this.#devices = deviceNumbersOf(format.protocol);
    this.#inodeLinks =
      format.protocol < 30 && format.hardLinks ? new InodeLinksEncoder(format.protocol) : undefined;
    this.#lookup = lookup;
  }

  /** Writes `entry` as the next one of `list`, to which the caller adds it afterwards. */
  write(writer: ByteWriter, list: FileList, entry: FileEntry): void {
    const format = this.#format;
    const numbers = this.#numbers;
    const newUser = format.owner && this.#meet(this.#users, entry.uid, "userName");
    const newGroup = format.group && this.#meet(this.#groups, entry.gid, "groupName");
    const userName = newUser && format.incRecurse ? this.#users.get(entry.uid) : undefined;
    const groupName = newGroup && format.incRecurse ? this.#groups.get(entry.gid) : undefined;

    const device = format.devices && isDevice(entry);
    const numbered = device || (this.#devices.onSpecials && format.specials && isSpecial(entry));
    const ownIndex = list.start + list.wire.length;
    const inGroup = format.hardLinks && entry.hardLinkGroup >= 0;
    const linked = inGroup && !this.#inodeLinks;

    let flags = 0;
    if (entry.isTopDirectory) flags |= XMIT.TOP_DIR;
    if (isDirectory(entry) && !entry.hasContent && format.protocol >= 30)
      flags |= XMIT.NO_CONTENT_DIR;
    if (entry.mode === this.#mode) flags |= XMIT.SAME_MODE;
    // As rsync does, the first entry says its ids even if they are 0: a receiver maps only what it was told.
    const hasPrevious = this.#name !== "";
    if (!format.owner || (hasPrevious && entry.uid === this.#uid && userName === undefined))
      flags |= XMIT.SAME_UID;
    if (!format.group || (hasPrevious && entry.gid === this.#gid && groupName === undefined))
      flags |= XMIT.SAME_GID;
    if (userName !== undefined) flags |= XMIT.USER_NAME_FOLLOWS;
    if (groupName !== undefined) flags |= XMIT.GROUP_NAME_FOLLOWS;
    if (entry.mtime === this.#mtime) flags |= XMIT.SAME_TIME;
    if (format.protocol >= 31 && entry.mtimeNsec !== 0) flags |= XMIT.MOD_NSEC;
    const dated = format.atimes === true && !isDirectory(entry);
    if (dated && (entry.atime ?? 0) === this.#atime) flags |= XMIT.SAME_ATIME;
    if (numbered)
      flags |= this.#devices.flags(this.#previousDevice, entry.rdevMajor, entry.rdevMinor);
    if (inGroup && this.#inodeLinks) flags |= this.#inodeLinks.flags();
    if (linked) flags |= XMIT.HLINKED;
    if (linked && entry.hardLinkGroup === ownIndex) flags |= XMIT.HLINK_FIRST;
    const keep = commonPrefix(this.#name, entry.name);
    const rest = entry.name.length - keep;
    if (keep > 0) flags |= XMIT.SAME_NAME;
    if (rest > 255) flags |= XMIT.LONG_NAME;

    const written = this.#writeFlags(writer, flags, isDirectory(entry));
    if (keep > 0) writer.byte(keep);
    if (written & XMIT.LONG_NAME) numbers.writeLength(writer, rest);
    else writer.byte(rest);
    writer.latin1(entry.name.slice(keep));
    this.#name = entry.name;

    if (linked && entry.hardLinkGroup !== ownIndex) {
      writer.varint(entry.hardLinkGroup);
      // A leader in the same list stands for all that would follow.
      if (entry.hardLinkGroup >= list.start) {
        this.#remember(entry);
        if (device) this.#previousDevice = entry.rdevMajor;
        this.#writeExtras(writer, entry);
        return;
      }
    }
    numbers.writeLong(writer, entry.size);
    if (!(flags & XMIT.SAME_TIME)) numbers.writeTime(writer, entry.mtime);
    if (flags & XMIT.MOD_NSEC) writer.varint(entry.mtimeNsec);
    if (!(flags & XMIT.SAME_MODE)) writer.int(entry.mode);
    if (dated && !(flags & XMIT.SAME_ATIME)) writer.varlong(entry.atime ?? 0, 4);
    if (!(flags & XMIT.SAME_UID)) writeId(writer, numbers, entry.uid, userName);
    if (!(flags & XMIT.SAME_GID)) writeId(writer, numbers, entry.gid, groupName);
    if (numbered) {
      const { rdevMajor, rdevMinor } = entry;
      this.#previousDevice = this.#devices.write(writer, flags, rdevMajor, rdevMinor);
    } else if (this.#devices.forgets) {
      this.#previousDevice = 0;
    }
    if (format.links && isSymlink(entry)) {
      const target = entry.linkTarget ?? "";
      numbers.writeLength(writer, target.length);
      writer.latin1(target);
    }
    this.#inodeLinks?.write(writer, flags, entry, inGroup ? entry.hardLinkGroup : ownIndex);
    if (format.checksumBytes > 0 && (isRegularFile(entry) || format.protocol < 28)) {
      writer.bytes(entry.checksum ?? Buffer.alloc(format.checksumBytes));
    }
    this.#remember(entry);
    this.#writeExtras(writer, entry);
  }

  /** Access control lists and extended attributes, which abbreviated hard links have too. */
  #writeExtras(writer: ByteWriter, entry: FileEntry): void {
    if (this.#format.acls && !isSymlink(entry)) {
      const nameOnce: NameOnce = (kind, id) => this.#nameOnce(kind, id);
      this.#accessLists.write(writer, entry.acl?.access ?? NO_ACL, nameOnce);
      if (isDirectory(entry))
        this.#defaultLists.write(writer, entry.acl?.default ?? NO_ACL, nameOnce);
    }
    if (this.#format.xattrs) this.#xattrSets.write(writer, entry.xattrs ?? []);
  }

  /** The name of an id that was not met before; without incremental recursion it goes into the lists behind. */
  #nameOnce(kind: "user" | "group", id: number): string | undefined {
    const [met, lookup] =
      kind === "user"
        ? ([this.#users, "userName"] as const)
        : ([this.#groups, "groupName"] as const);
    const isNew = this.#meet(met, id, lookup);
    return isNew && this.#format.incRecurse ? met.get(id) : undefined;
  }

  /** Writes the mark behind the last entry of a list. */
  writeEnd(writer: ByteWriter, ioError: number): void {
    if (this.#format.varintFlags) {
      writer.byte(0);
      writer.varint(ioError);
    } else if (ioError !== 0 && this.#format.safeEnd) {
      writer.shortint(XMIT.EXTENDED_FLAGS | XMIT.IO_ERROR_ENDLIST);
      writer.varint(ioError);
    } else {
      writer.byte(0);
    }
  }

  /** Writes the lists of names that follow the only list, when there is no incremental recursion. */
  writeIdLists(writer: ByteWriter): void {
    if (this.#format.incRecurse || this.#format.numericIds) return;
    if (this.#format.owner || this.#format.acls) this.#writeIdList(writer, this.#users, "userName");
    if (this.#format.group || this.#format.acls)
      this.#writeIdList(writer, this.#groups, "groupName");
  }

  #writeIdList(
    writer: ByteWriter,
    names: ReadonlyMap<number, string | undefined>,
    kind: keyof IdNameLookup,
  ): void {
    for (const [id, name] of names) {
      if (id !== 0 && name !== undefined) writeId(writer, this.#numbers, id, name);
    }
    this.#numbers.writeId(writer, 0);
    if (!this.#format.id0Names) return;
    const name = this.#lookup[kind](0) ?? "";
    writer.byte(name.length);
    writer.latin1(name);
  }

  /** @returns the flags with what had to be set in addition */
  #writeFlags(writer: ByteWriter, flags: number, directory: boolean): number {
    if (this.#format.varintFlags) {
      writer.varint(flags === 0 ? XMIT.EXTENDED_FLAGS : flags);
      return flags;
    }
    // The lower byte must not be 0, which would end the list; on other than directories TOP_DIR means nothing.
    const filled = (flags & 0xff) === 0 && !directory ? flags | XMIT.TOP_DIR : flags;
    if (this.#format.protocol < 28) {
      const byte = filled === 0 ? XMIT.LONG_NAME : filled;
      writer.byte(byte);
      return byte;
    }
    if ((filled & 0xff00) !== 0 || (filled & 0xff) === 0)
      writer.shortint(filled | XMIT.EXTENDED_FLAGS);
    else writer.byte(filled);
    return filled;
  }

  /** True when `id` is met for the first time; remembers its name. */
  #meet(met: Map<number, string | undefined>, id: number, kind: keyof IdNameLookup): boolean {
    if (met.has(id)) return false;
    const name = this.#format.numericIds ? undefined : this.#lookup[kind](id);
    met.set(id, name !== undefined && name.length <= 255 ? name : undefined);
    return true;
  }

  #remember(entry: FileEntry): void {
    this.#mode = entry.mode;
    this.#mtime = entry.mtime;
    if (this.#format.atimes && !isDirectory(entry)) this.#atime = entry.atime ?? 0;
    this.#uid = entry.uid;
    this.#gid = entry.gid;
  }
}

function writeId(writer: ByteWriter, numbers: Numbers, id: number, name: string | undefined): void {
  numbers.writeId(writer, id);
  if (name === undefined) return;
  writer.byte(name.length);
  writer.latin1(name);
}

function commonPrefix(a: string, b: string): number {
  const limit = Math.min(a.length, b.length, MAX_PREFIX);
  let i = 0;
  while (i < limit && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  return i;
}
