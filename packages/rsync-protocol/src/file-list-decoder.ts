import { AclDecoder, type EntryAcl } from "./acl.ts";
import type { ByteReader } from "./byte-reader.ts";
import { IO_ERROR, LIMITS, MODE, XMIT } from "./constants.ts";
import { type DeviceNumber, type DeviceNumbers, deviceNumbersOf } from "./device-numbers.ts";
import { protocolError, RsyncError } from "./errors.ts";
import { EXIT } from "./exit-codes.ts";
import type { FileEntry } from "./file-entry.ts";
import { isDevice, isDirectory, isRegularFile, isSpecial, isSymlink } from "./file-entry.ts";
import type { FileList } from "./file-list.ts";
import type { FileListFormat } from "./file-list-format.ts";
import { ContentHierarchy, InodeLinksDecoder } from "./inode-links.ts";
import { type Numbers, numbersOf } from "./numbers.ts";
import { assertSafeName } from "./safe-name.ts";
import { XattrSetDecoder } from "./xattr.ts";

/** The mark behind the last entry of a list. */
export interface EndOfList {
  /** `IO_ERROR` bits that the sender met while it made the list. */
  readonly ioError: number;
}

/** Names of users and groups as they come in, by id. */
export interface IdNames {
  readonly users: Map<number, string>;
  readonly groups: Map<number, string>;
}

const TYPES: ReadonlySet<number> = new Set([
  MODE.FILE,
  MODE.DIRECTORY,
  MODE.SYMLINK,
  MODE.CHARACTER,
  MODE.BLOCK,
  MODE.FIFO,
  MODE.SOCKET,
]);

const SLASH = 0x2f;

/** Highest id: −1 means "no id" to the system. */
const MAX_ID = 0xffff_fffe;

/**
 * Reads the entries of all lists of one session. "Same as before" refers to the entry before on this connection, across
 * lists; so one decoder serves the whole session.
 */
export class FileListDecoder {
  readonly #format: FileListFormat;
  readonly #numbers: Numbers;
  readonly #devices: DeviceNumbers;
  /** A hard link is told by the index of its group's first entry. */
  readonly #linksByIndex: boolean;
  /** What protocol 30 replaced; undefined from there on. */
  readonly #inodeLinks: InodeLinksDecoder | undefined;
  readonly #contentHierarchy: ContentHierarchy | undefined;
  /** Names that came with the entries (with incremental recursion) or after the list. */
  readonly names: IdNames = { users: new Map(), groups: new Map() };
  readonly #accessLists = new AclDecoder();
  readonly #defaultLists = new AclDecoder();
  readonly #xattrSets = new XattrSetDecoder();
  #name = "";
  #isRooted = false;
  readonly #nameBytes: Buffer = Buffer.alloc(LIMITS.nameBytes);
  #mode = 0;
  #atime = 0;
  #mtime = 0;
  #uid = 0;
  #gid = 0;
  /** See `DeviceNumbers`. */
  #previousDevice = 0;

  constructor(format: FileListFormat) {
    this.#format = format;
    this.#numbers = numbersOf(format.protocol);
    this.#devices = deviceNumbersOf(format.protocol);
    const isOld = format.protocol < 30;
    this.#linksByIndex = format.hardLinks && !isOld;
    this.#inodeLinks =
      isOld && format.hardLinks ? new InodeLinksDecoder(format.protocol) : undefined;
    this.#contentHierarchy = isOld ? new ContentHierarchy(format.recursive) : undefined;
  }

  /** Memory of what the entries so far share (sets of attributes, ACLs), about; it stays for the session. Bytes. */
  get sharedBytes(): number {
    return this.#accessLists.heldBytes + this.#defaultLists.heldBytes + this.#xattrSets.heldBytes;
  }

  /** Whether the entry read last came with a slash in front of its name. */
  get isRooted(): boolean {
    return this.#isRooted;
  }

  /** Reads one entry of `list`, or the mark behind its last, within an attempt. It does not add the entry. */
  read(reader: ByteReader, list: FileList): FileEntry | EndOfList {
    const flags = this.#readFlags(reader);
    if (typeof flags !== "number") return flags;
    const name = this.#readName(reader, flags);
    if (!this.#linksByIndex || !(flags & XMIT.HLINKED))
      return this.#readFields(reader, list, flags, name, -1);
    if (!(flags & XMIT.HLINK_FIRST)) {
      const leader = reader.count("hard link leader", LIMITS.entries);
      if (leader >= list.start + list.wire.length) {
        throw violation(`"${name}" is a hard link to entry ${leader}, which was not sent yet`);
      }
      const entry = leader >= list.start ? list.wire.at(leader - list.start) : undefined;
      // A leader in the same list: every other field is its own.
      if (entry) {
        const extras = this.#readExtras(reader, entry);
        const isNumbered = this.#format.devices && isDevice(entry);
        const previousDevice = isNumbered ? entry.rdevMajor : this.#previousDevice;
        return this.#commit({ ...entry, ...extras, name, hardLinkGroup: leader }, previousDevice);
      }
      return this.#readFields(reader, list, flags, name, leader);
    }
    return this.#readFields(reader, list, flags, name, list.start + list.wire.length);
  }

  #readFlags(reader: ByteReader): number | EndOfList {
    if (this.#format.varintFlags) {
      const flags = reader.varint();
      return flags === 0 ? { ioError: reader.varint() & IO_ERROR.MASK } : flags;
    }
    let flags = reader.byte();
    if (flags === 0) return { ioError: 0 };
    if (flags & XMIT.EXTENDED_FLAGS && this.#format.protocol >= 28) flags |= reader.byte() << 8;
    if (flags !== (XMIT.EXTENDED_FLAGS | XMIT.IO_ERROR_ENDLIST)) return flags;
    if (!this.#format.safeEnd)
      throw protocolError("end of list with an error that was not agreed on");
    return { ioError: reader.varint() & IO_ERROR.MASK };
  }

  #readName(reader: ByteReader, flags: number): string {
    const keep = flags & XMIT.SAME_NAME ? reader.byte() : 0;
    const rest =
      flags & XMIT.LONG_NAME
        ? this.#numbers.readLength(reader, "name", LIMITS.nameBytes)
        : reader.byte();
    if (keep > this.#name.length) {
      throw violation(`name that keeps ${keep} of ${this.#name.length} bytes`);
    }
    if (keep + rest > LIMITS.nameBytes) {
      throw new RsyncError(
        "ERR_RSYNC_LIMIT",
        `name of ${keep + rest} bytes, limit ${LIMITS.nameBytes}`,
        { exitCode: EXIT.MEMORY },
      );
    }
    // Through bytes, where the kept ones are still those of the name before: a text that is put together from two keeps both, and
    // their memory with it.
    reader.copyTo(this.#nameBytes, keep, rest);
    this.#isRooted =
      this.#nameBytes[0] === SLASH && keep + rest > 0 && this.#format.rootedNames === true;
    const name = this.#nameBytes.toString("latin1", this.#isRooted ? 1 : 0, keep + rest);
    assertSafeName(name);
    return name;
  }

  #readFields(
    reader: ByteReader,
    list: FileList,
    flags: number,
    name: string,
    hardLinkGroup: number,
  ): FileEntry {
    const format = this.#format;
    const numbers = this.#numbers;
    const size = numbers.readLong(reader);
    if (size < 0) throw protocolError(`"${name}" has a size of ${size}`, EXIT.UNSUPPORTED);
    const mtime = flags & XMIT.SAME_TIME ? this.#mtime : numbers.readTime(reader);
    const mtimeNsec = flags & XMIT.MOD_NSEC ? reader.count("nanoseconds", 999_999_999) : 0;
    const mode = flags & XMIT.SAME_MODE ? this.#mode : reader.int() & 0xffff;
    if (!TYPES.has(mode & MODE.TYPE_MASK) && !(mode === 0 && format.missingEntries)) {
      throw violation(`"${name}" has the unknown mode 0${mode.toString(8)}`);
    }
    const shape = { mode };
    const directory = isDirectory(shape);
    if (name === "." && !directory) throw violation("the root of the transfer is not a directory");
    let atime: number | undefined;
    if (format.atimes && !directory) {
      atime = flags & XMIT.SAME_ATIME ? this.#atime : reader.varlong(4);
    }
    let uid = this.#uid;
    let gid = this.#gid;
    let userName: string | undefined;
    let groupName: string | undefined;
    if (format.owner && !(flags & XMIT.SAME_UID)) {
      uid = assertId(numbers.readId(reader));
      if (flags & XMIT.USER_NAME_FOLLOWS && format.incRecurse)
        userName = reader.latin1(reader.byte());
    }
    if (format.group && !(flags & XMIT.SAME_GID)) {
      gid = assertId(numbers.readId(reader));
      if (flags & XMIT.GROUP_NAME_FOLLOWS && format.incRecurse)
        groupName = reader.latin1(reader.byte());
    }
    let previousDevice = this.#devices.forgets ? 0 : this.#previousDevice;
    let rdev: DeviceNumber | undefined;
    const device = format.devices && isDevice(shape);
    if (device || (this.#devices.onSpecials && format.specials && isSpecial(shape))) {
      rdev = this.#devices.read(reader, flags, this.#previousDevice);
      previousDevice = rdev.previous;
    }
    const linkTarget =
      format.links && isSymlink(shape)
        ? reader.latin1(numbers.readLength(reader, "symlink target", LIMITS.linkTargetBytes))
        : undefined;
    const inode = this.#inodeLinks?.read(reader, flags, shape);
    const checksum = this.#readChecksum(reader, shape);
    const extras = this.#readExtras(reader, shape);

    if (userName !== undefined) addName(this.names.users, uid, userName);
    if (groupName !== undefined) addName(this.names.groups, gid, groupName);
    const entry: FileEntry = {
      name,
      mode,
      size,
      mtime,
      mtimeNsec,
      uid,
      gid,
      rdevMajor: device && rdev ? rdev.major : 0,
      rdevMinor: device && rdev ? rdev.minor : 0,
      linkTarget,
      checksum,
      acl: extras.acl,
      xattrs: extras.xattrs,
      hardLinkGroup: inode
        ? (this.#inodeLinks?.commit(inode, list.start + list.wire.length) ?? -1)
        : hardLinkGroup,
      isTopDirectory: directory && (flags & XMIT.TOP_DIR) !== 0,
      hasContent: directory && this.#hasContent(name, flags),
    };
    // Spread only where it is: an entry that is put together of parts takes half as much memory again.
    return this.#commit(atime === undefined ? entry : { ...entry, atime }, previousDevice);
  }

  #readChecksum(reader: ByteReader, shape: { readonly mode: number }): Buffer | undefined {
    const { checksumBytes, protocol } = this.#format;
    if (checksumBytes === 0) return undefined;
    if (isRegularFile(shape)) return Buffer.from(reader.bytes(checksumBytes));
    if (protocol < 28) reader.bytes(checksumBytes);
    return undefined;
  }

  /** Called when all of the entry was read. */
  #hasContent(name: string, flags: number): boolean {
    if (!this.#contentHierarchy) return !(flags & XMIT.NO_CONTENT_DIR);
    return this.#contentHierarchy.hasContent(name, (flags & XMIT.TOP_DIR) !== 0);
  }

  /** Access control lists and extended attributes, which abbreviated hard links have too. */
  #readExtras(
    reader: ByteReader,
    shape: { readonly mode: number },
  ): Pick<FileEntry, "acl" | "xattrs"> {
    let acl: EntryAcl | undefined;
    if (this.#format.acls && !isSymlink(shape)) {
      const access = this.#accessLists.read(reader);
      acl = { access, default: isDirectory(shape) ? this.#defaultLists.read(reader) : undefined };
    }
    const xattrs = this.#format.xattrs ? this.#xattrSets.read(reader) : undefined;
    return { acl, xattrs };
  }

  /** Makes `entry` the one that "same as before" refers to. */
  #commit(entry: FileEntry, previousDevice: number): FileEntry {
    const onName = (kind: "user" | "group", id: number, name: string): void => {
      addName(kind === "user" ? this.names.users : this.names.groups, id, name);
    };
    if (entry.acl) this.#accessLists.commit(onName);
    if (entry.acl?.default) this.#defaultLists.commit(onName);
    if (entry.xattrs) this.#xattrSets.commit();
    this.#name = this.#isRooted ? `/${entry.name}` : entry.name;
    this.#mode = entry.mode;
    this.#mtime = entry.mtime;
    if (entry.atime !== undefined) this.#atime = entry.atime;
    this.#uid = entry.uid;
    this.#gid = entry.gid;
    this.#previousDevice = previousDevice;
    return entry;
  }
}

/** What an entry may not say; rsync(1) leaves with 2 for it. */
function violation(message: string): RsyncError {
  return protocolError(message, EXIT.PROTOCOL);
}

function assertId(id: number): number {
  if (id > MAX_ID) throw violation(`id ${id}`);
  return id;
}

/** The first name told for an id stays; id 0 is never told by another name than the system's own. */
function addName(names: Map<number, string>, id: number, name: string): void {
  if (names.size >= LIMITS.idNames) {
    throw new RsyncError("ERR_RSYNC_LIMIT", `more than ${LIMITS.idNames} names of users or groups`);
  }
  if (!names.has(id)) names.set(id, name);
}

/**
 * Reads the list of ids that follows a file list without incremental recursion: `{ id, name }` until id 0, whose own name
 * comes last when that was agreed on. Reads within an attempt.
 */
export function readIdList(
  reader: ByteReader,
  format: FileListFormat,
  names: Map<number, string>,
): number {
  const { readId } = numbersOf(format.protocol);
  const found: [number, string][] = [];
  for (;;) {
    const id = assertId(readId(reader));
    if (id === 0) break;
    found.push([id, reader.latin1(reader.byte())]);
    if (found.length > LIMITS.idNames) {
      throw new RsyncError(
        "ERR_RSYNC_LIMIT",
        `more than ${LIMITS.idNames} names of users or groups`,
      );
    }
  }
  if (format.id0Names) found.push([0, reader.latin1(reader.byte())]);
  for (const [id, name] of found) addName(names, id, name);
  return found.length;
}
