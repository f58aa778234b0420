import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { XMIT } from "./constants.ts";
import { isRegularFile } from "./file-entry.ts";

/** Whether an entry has the field: below protocol 28 every regular file, linked or not. */
function hasInode(protocol: number, flags: number, entry: { readonly mode: number }): boolean {
  return protocol >= 28 ? (flags & XMIT.HLINKED) !== 0 : isRegularFile(entry);
}

/** A device and an inode as they came; what they mean on the sender's system is of no interest. */
interface Inode {
  readonly device: string;
  readonly inode: string;
}

/** Hard links below protocol 30: entries with the same device and inode are one file. */
export class InodeLinksDecoder {
  readonly #protocol: number;
  readonly #groups = new Map<string, number>();
  #device = "";

  constructor(protocol: number) {
    this.#protocol = protocol;
  }

  /** Reads within an attempt; undefined for an entry without. */
  read(reader: ByteReader, flags: number, entry: { readonly mode: number }): Inode | undefined {
    if (!hasInode(this.#protocol, flags, entry)) return undefined;
    const isSame = this.#protocol >= 28 && flags & XMIT.SAME_DEV;
    return { device: isSame ? this.#device : readNumber(reader), inode: readNumber(reader) };
  }

  /** @param index - of the entry, on the wire. @returns that of the first one of its group */
  commit({ device, inode }: Inode, index: number): number {
    this.#device = device;
    const key = `${device} ${inode}`;
    const first = this.#groups.get(key);
    if (first !== undefined) return first;
    this.#groups.set(key, index);
    return index;
  }
}

/** A longint that is only compared: 64 bits may be more than a number holds. */
function readNumber(reader: ByteReader): string {
  const short = reader.int();
  return short === -1 ? reader.bytes(8).toString("hex") : String(short);
}

/**
 * Writes hard links below protocol 30. The index of the group's first entry stands for the inode, and all are on one device: the
 * other side learns nothing of ours but which entries are one file.
 */
export class InodeLinksEncoder {
  readonly #protocol: number;
  #isDeviceTold = false;

  constructor(protocol: number) {
    this.#protocol = protocol;
  }

  /** Flags of an entry that is one of a group. */
  flags(): number {
    if (this.#protocol < 28) return 0;
    return XMIT.HLINKED | (this.#isDeviceTold ? XMIT.SAME_DEV : 0);
  }

  /** @param index - that of the group's first entry, or of the entry itself where it has no group */
  write(writer: ByteWriter, flags: number, entry: { readonly mode: number }, index: number): void {
    if (!hasInode(this.#protocol, flags, entry)) return;
    if (this.#protocol < 28 || !(flags & XMIT.SAME_DEV)) writer.longint(1);
    writer.longint(index + 1);
    this.#isDeviceTold = true;
  }
}

/**
 * Which directories have content that belongs to the transfer, where their flags do not say it (below protocol 30): those that were
 * named, and with recursion those below one.
 */
export class ContentHierarchy {
  readonly #recursive: boolean;
  /** The directory named last, as a prefix of what lies below it; undefined outside of one. */
  #prefix: string | undefined;

  constructor(recursive: boolean) {
    this.#recursive = recursive;
  }

  /** Takes the directories in the order of the wire. */
  hasContent(name: string, isTop: boolean): boolean {
    if (isTop) {
      if (this.#recursive) this.#prefix = name === "." ? "" : `${name}/`;
      return true;
    }
    if (this.#prefix === undefined) return false;
    if (name.startsWith(this.#prefix)) return true;
    this.#prefix = undefined;
    return false;
  }
}
