import type { EntryAcl } from "./acl.ts";
import type { DirectoryNames } from "./directory-names.ts";
import { type FileEntry, isDirectory } from "./file-entry.ts";
import type { XattrSet } from "./xattr.ts";

/** Where the fields of an entry lie in its record, in bytes. */
const FIELD = {
  SIZE: 0,
  MTIME: 8,
  MTIME_NSEC: 16,
  UID: 20,
  GID: 24,
  HARD_LINK_GROUP: 28,
  /** Number of the directory that it lies in, or is. */
  DIRECTORY: 32,
  /** Where its texts end, which begin where those of the entry before end. */
  TEXTS_END: 36,
  MODE: 40,
  TARGET_LENGTH: 42,
  CHECKSUM_LENGTH: 44,
  BITS: 45,
} as const;

/** What a packed entry takes beside its texts, in bytes. */
const RECORD_BYTES = 48;

/** What it takes in columns that only some sessions have, and in the order of its list. Bytes. */
const COLUMN_BYTES = 52;

const BIT = { TOP: 1, CONTENT: 2, TARGET: 4, CHECKSUM: 8, ATIME: 16 } as const;

/** What only some sessions tell of entries; a column is there when one of a page has it. */
interface Columns {
  acls?: (EntryAcl | undefined)[];
  xattrs?: (XattrSet | undefined)[];
  sources?: (object | undefined)[];
  atimes?: Float64Array;
  /** Major and minor number in turn. */
  devices?: Float64Array;
}

/**
 * Entries of a list in two pieces of memory instead of an object and a name for each: their records, and their texts, which are the
 * last component of the name (not of directories, whose names are kept beside), link target and checksum. An entry is made when it
 * is asked for.
 */
export class EntryPage {
  /** The texts of all entries; see {@link nameStart}. */
  readonly texts: Buffer;
  readonly #records: DataView;
  readonly #directories: DirectoryNames;
  readonly #columns: Columns = {};

  /** @param directories - takes the names of the directories that entries lie in, or are */
  constructor(entries: readonly FileEntry[], directories: DirectoryNames) {
    this.#directories = directories;
    this.#records = new DataView(new ArrayBuffer(entries.length * RECORD_BYTES));
    let bytes = 0;
    for (const entry of entries) bytes += textBytes(entry);
    this.texts = Buffer.allocUnsafeSlow(bytes);
    let end = 0;
    for (let i = 0; i < entries.length; i++) {
      end = this.#write(entries[i]!, i, end);
      this.#writeColumns(entries[i]!, i, entries.length);
    }
  }

  modeAt(i: number): number {
    return this.#records.getUint16(i * RECORD_BYTES + FIELD.MODE, true);
  }

  /** Number of the directory that the entry lies in; of a directory its own. */
  directoryNumberAt(i: number): number {
    return this.#records.getUint32(i * RECORD_BYTES + FIELD.DIRECTORY, true);
  }

  /** Where the last component of the name begins in the texts; a directory has none there. */
  nameStart(i: number): number {
    return i === 0 ? 0 : this.#records.getUint32((i - 1) * RECORD_BYTES + FIELD.TEXTS_END, true);
  }

  nameEnd(i: number): number {
    const at = i * RECORD_BYTES;
    const rest =
      this.#records.getUint16(at + FIELD.TARGET_LENGTH, true) +
      this.#records.getUint8(at + FIELD.CHECKSUM_LENGTH);
    return this.#records.getUint32(at + FIELD.TEXTS_END, true) - rest;
  }

  nameAt(i: number): string {
    const directory = this.#directories.nameOf(this.directoryNumberAt(i));
    if (isDirectory({ mode: this.modeAt(i) })) return directory;
    const last = this.texts.toString("latin1", this.nameStart(i), this.nameEnd(i));
    return directory === "." ? last : `${directory}/${last}`;
  }

  entryAt(i: number): FileEntry {
    const records = this.#records;
    const at = i * RECORD_BYTES;
    const bits = records.getUint8(at + FIELD.BITS);
    const checksumStart =
      records.getUint32(at + FIELD.TEXTS_END, true) - records.getUint8(at + FIELD.CHECKSUM_LENGTH);
    const { acls, xattrs, sources, atimes, devices } = this.#columns;
    const entry: FileEntry = {
      name: this.nameAt(i),
      mode: records.getUint16(at + FIELD.MODE, true),
      size: records.getFloat64(at + FIELD.SIZE, true),
      mtime: records.getFloat64(at + FIELD.MTIME, true),
      mtimeNsec: records.getUint32(at + FIELD.MTIME_NSEC, true),
      uid: records.getUint32(at + FIELD.UID, true),
      gid: records.getUint32(at + FIELD.GID, true),
      rdevMajor: devices?.[2 * i] ?? 0,
      rdevMinor: devices?.[2 * i + 1] ?? 0,
      linkTarget:
        bits & BIT.TARGET
          ? this.texts.toString("latin1", this.nameEnd(i), checksumStart)
          : undefined,
      checksum:
        bits & BIT.CHECKSUM
          ? this.texts.subarray(checksumStart, records.getUint32(at + FIELD.TEXTS_END, true))
          : undefined,
      acl: acls?.[i],
      xattrs: xattrs?.[i],
      hardLinkGroup: records.getInt32(at + FIELD.HARD_LINK_GROUP, true),
      isTopDirectory: (bits & BIT.TOP) !== 0,
      hasContent: (bits & BIT.CONTENT) !== 0,
    };
    const source = sources?.[i];
    if (source === undefined && !(bits & BIT.ATIME)) return entry;
    return {
      ...entry,
      ...(bits & BIT.ATIME ? { atime: atimes?.[i] ?? 0 } : {}),
      ...(source === undefined ? {} : { source }),
    };
  }

  /** Sets what a directory of a list is for. */
  setDirectory(
    i: number,
    { isTopDirectory, hasContent }: Pick<FileEntry, "isTopDirectory" | "hasContent">,
  ): void {
    const at = i * RECORD_BYTES + FIELD.BITS;
    const others = this.#records.getUint8(at) & ~(BIT.TOP | BIT.CONTENT);
    const own = (isTopDirectory ? BIT.TOP : 0) | (hasContent ? BIT.CONTENT : 0);
    this.#records.setUint8(at, others | own);
  }

  /** @returns where its texts end */
  #write(entry: FileEntry, i: number, start: number): number {
    const { name, linkTarget, checksum } = entry;
    const records = this.#records;
    const at = i * RECORD_BYTES;
    let end = start;
    const slash = name.lastIndexOf("/");
    let directory: number;
    if (isDirectory(entry)) {
      directory = this.#directories.numberOf(name);
    } else {
      directory = this.#directories.numberAround(name, slash);
      end += this.texts.write(slash < 0 ? name : name.slice(slash + 1), end, "latin1");
    }
    if (linkTarget !== undefined) end += this.texts.write(linkTarget, end, "latin1");
    if (checksum) {
      this.texts.set(checksum, end);
      end += checksum.length;
    }
    records.setFloat64(at + FIELD.SIZE, entry.size, true);
    records.setFloat64(at + FIELD.MTIME, entry.mtime, true);
    records.setUint32(at + FIELD.MTIME_NSEC, entry.mtimeNsec, true);
    records.setUint32(at + FIELD.UID, entry.uid, true);
    records.setUint32(at + FIELD.GID, entry.gid, true);
    records.setInt32(at + FIELD.HARD_LINK_GROUP, entry.hardLinkGroup, true);
    records.setUint32(at + FIELD.DIRECTORY, directory, true);
    records.setUint32(at + FIELD.TEXTS_END, end, true);
    records.setUint16(at + FIELD.MODE, entry.mode, true);
    records.setUint16(at + FIELD.TARGET_LENGTH, linkTarget?.length ?? 0, true);
    records.setUint8(at + FIELD.CHECKSUM_LENGTH, checksum?.length ?? 0);
    records.setUint8(
      at + FIELD.BITS,
      (entry.isTopDirectory ? BIT.TOP : 0) |
        (entry.hasContent ? BIT.CONTENT : 0) |
        (linkTarget === undefined ? 0 : BIT.TARGET) |
        (checksum ? BIT.CHECKSUM : 0) |
        (entry.atime === undefined ? 0 : BIT.ATIME),
    );
    return end;
  }

  #writeColumns(entry: FileEntry, i: number, length: number): void {
    const { acl, xattrs, source, atime, rdevMajor, rdevMinor } = entry;
    const columns = this.#columns;
    if (acl !== undefined) {
      columns.acls ??= [];
      const before = columns.acls.at(-1);
      // A decoder gives the lists themselves only once, but a pair of them to each entry.
      const isSame = before?.access === acl.access && before.default === acl.default;
      columns.acls[i] = isSame ? before : acl;
    }
    if (xattrs !== undefined) (columns.xattrs ??= [])[i] = xattrs;
    if (source !== undefined) (columns.sources ??= [])[i] = source;
    if (atime !== undefined) (columns.atimes ??= new Float64Array(length))[i] = atime;
    if (rdevMajor !== 0 || rdevMinor !== 0) {
      columns.devices ??= new Float64Array(2 * length);
      columns.devices[2 * i] = rdevMajor;
      columns.devices[2 * i + 1] = rdevMinor;
    }
  }
}

/** About how much memory an entry takes in a packed list, in bytes; what entries share (attributes, ACLs) aside. */
export function packedBytes(entry: FileEntry): number {
  return RECORD_BYTES + COLUMN_BYTES + textBytes(entry);
}

/** Bytes of the texts of an entry. */
function textBytes(entry: FileEntry): number {
  const { name, linkTarget, checksum } = entry;
  const own = isDirectory(entry) ? 0 : name.length - name.lastIndexOf("/") - 1;
  return own + (linkTarget?.length ?? 0) + (checksum?.length ?? 0);
}
