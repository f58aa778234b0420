import { closeSync, constants as fsConstants, readSync } from "node:fs";
import {
  type DirectoryHandle,
  type FileStat,
  isDirectory,
  isRegularFile,
  isSymlink,
} from "@dialhome/posix-fs";
import { type FileList, type FileLists, LIMITS, MODE } from "@dialhome/rsync-protocol";
import { READ_BYTES } from "./constants.ts";
import { readAcl, readXattrs } from "./entry-metadata.ts";
import { HardLinks } from "./hard-links.ts";
import { assertSystemError } from "./report.ts";
import type { Session } from "./session.ts";
import type { Source, SourceEntry } from "./source.ts";

const NO_METADATA = { acl: undefined, xattrs: undefined } as const;

/** How an entry stands in its list. */
interface EntryPlace {
  readonly source: Source;
  readonly name: string;
  /** The last component of the name. */
  readonly leaf: Buffer;
  readonly list: FileList;
  readonly isTop: boolean;
  /** Whether a directory's content is sent as well. */
  readonly isEntered: boolean;
  readonly checksum: Buffer | undefined;
}

/** Turns what the file system has into entries of a list. */
export class DirectoryScan {
  readonly #session: Session;
  readonly #lists: FileLists;
  readonly #hardLinks = new HardLinks();
  readonly #write: (list: FileList, entry: SourceEntry) => void;
  #buffer: Buffer | undefined;
  /** Sum of the sizes of files and symbolic links, in bytes. */
  totalSize = 0;

  /** @param write - puts an entry on the wire and into its list */
  constructor(
    session: Session,
    lists: FileLists,
    write: (list: FileList, entry: SourceEntry) => void,
  ) {
    this.#session = session;
    this.#lists = lists;
    this.#write = write;
  }

  /** Adds what a source was asked for; undefined when it is not there, or is a directory that is not to be sent. */
  async top(source: Source, list: FileList): Promise<SourceEntry | undefined> {
    const { options, report } = this.#session;
    const name = source.top ?? ".";
    const leaf = leafOf(name);
    const stat =
      source.top === undefined
        ? source.directory(".").stat()
        : this.#lstat(source, ".", name, leaf);
    if (stat === undefined) return undefined;
    const isEntered = options.recursive || (options.dirs && source.top === undefined);
    if (isDirectory(stat) && !options.recursive && !options.dirs) {
      report.info(`skipping directory ${name}`);
      return undefined;
    }
    const checksum = this.#isSummed(stat)
      ? await this.#sumOf(source, name, leaf, stat.size)
      : undefined;
    return this.#add(stat, { source, name, leaf, list, isTop: true, isEntered, checksum });
  }

  /**
   * Adds the content of a directory.
   *
   * @param device - number of the file system that is not to be left; undefined if it may be
   * @returns the directories whose own content is to be sent
   */
  async content(
    source: Source,
    directory: string,
    list: FileList,
    device: number | undefined,
  ): Promise<SourceEntry[]> {
    const { pace, report, options } = this.#session;
    let names: Buffer[];
    try {
      source.filter.enter(directory, (path) => source.directory(path));
      names = source.directory(directory).names();
    } catch (error) {
      assertSystemError(error);
      report.failedOrVanished("opendir", `${source.label(directory)} failed`, error);
      return [];
    }
    const prefix = directory === "." ? "" : `${directory}/`;
    const directories: SourceEntry[] = [];
    for (const leaf of names) {
      if (pace.over) await pace.rest();
      const name = prefix + leaf.toString("latin1");
      if (name.length > LIMITS.nameBytes) {
        report.failed("send_file_list", source.label(directory), new Error("name too long"));
        continue;
      }
      const stat = this.#lstat(source, directory, name, leaf);
      if (stat === undefined || source.filter.excludes(name, isDirectory(stat))) continue;
      const isForeign = device !== undefined && stat.dev !== device && isDirectory(stat);
      if (isForeign && options.oneFileSystem > 1) continue;
      const isEntered = options.recursive && !isForeign;
      const checksum = this.#isSummed(stat)
        ? await this.#sumOf(source, name, leaf, stat.size)
        : undefined;
      const entry = this.#add(stat, {
        source,
        name,
        leaf,
        list,
        isTop: false,
        isEntered,
        checksum,
      });
      if (entry !== undefined && isEntered && isDirectory(entry)) directories.push(entry);
    }
    return directories;
  }

  #lstat(source: Source, directory: string, name: string, leaf: Buffer): FileStat | undefined {
    const { report } = this.#session;
    try {
      const stat = source.directory(directory).lstat(leaf);
      if (stat === undefined) report.vanished(source.label(name));
      return stat;
    } catch (error) {
      assertSystemError(error);
      report.failedOrVanished("readlink_stat", `${source.label(name)} failed`, error);
      return undefined;
    }
  }

  /** Whether the list has a checksum of the file's content. */
  #isSummed(stat: FileStat): boolean {
    return this.#session.format.checksumBytes > 0 && isRegularFile(stat);
  }

  #add(stat: FileStat, place: EntryPlace): SourceEntry | undefined {
    const { options } = this.#session;
    const { source, name, list } = place;
    const isFile = isRegularFile(stat);
    const isDir = isDirectory(stat);
    let linkTarget: string | undefined;
    if (isSymlink(stat) && options.links) {
      linkTarget = this.#readlink(place);
      if (linkTarget === undefined) return undefined;
    }
    const metadata = this.#metadata(stat, place);
    if (metadata === undefined) return undefined;
    const isSized = isFile || isDir || isSymlink(stat);
    const index = list.start + list.wire.length;
    const entry: SourceEntry = {
      name,
      mode: stat.mode & (MODE.TYPE_MASK | MODE.PERMISSIONS),
      size: isSized ? stat.size : 0,
      mtime: stat.mtimeSec,
      mtimeNsec: stat.mtimeNsec,
      uid: stat.uid,
      gid: stat.gid,
      rdevMajor: stat.rdevMajor,
      rdevMinor: stat.rdevMinor,
      linkTarget,
      checksum: place.checksum,
      hardLinkGroup:
        options.hardLinks && !isDir && stat.nlink > 1 ? this.#hardLinks.groupOf(stat, index) : -1,
      ...metadata,
      isTopDirectory: isDir && place.isTop && place.isEntered,
      hasContent: isDir && place.isEntered,
      source,
    };
    this.#lists.countEntry();
    if (isFile || isSymlink(stat)) this.totalSize += entry.size;
    this.#write(list, entry);
    return entry;
  }

  /** Access control lists and extended attributes, where they were asked for; undefined when the entry is gone. */
  #metadata(
    stat: FileStat,
    { source, name }: EntryPlace,
  ): Pick<SourceEntry, "acl" | "xattrs"> | undefined {
    const { format, report } = this.#session;
    if (!format.acls && !format.xattrs) return NO_METADATA;
    try {
      const attributes = source.attributes(name);
      return {
        acl: format.acls && !isSymlink(stat) ? readAcl(attributes, stat.mode) : undefined,
        xattrs: format.xattrs ? readXattrs(attributes, stat.mode) : undefined,
      };
    } catch (error) {
      assertSystemError(error);
      report.failedOrVanished("get_xattr_data", `${source.label(name)} failed`, error);
      return undefined;
    }
  }

  #readlink({ source, name, leaf }: EntryPlace): string | undefined {
    try {
      return source.parent(name).readlink(leaf).toString("latin1");
    } catch (error) {
      assertSystemError(error);
      this.#session.report.failedOrVanished("readlink_stat", `${source.label(name)} failed`, error);
      return undefined;
    }
  }

  /** The sum of a file's content for `-c`; zeros when it cannot be read, which no file's sum is. */
  async #sumOf(source: Source, name: string, leaf: Buffer, size: number): Promise<Buffer> {
    const { listChecksum, pace } = this.#session;
    const hasher = listChecksum.fileHasher();
    this.#buffer ??= Buffer.allocUnsafeSlow(READ_BYTES);
    const buffer = this.#buffer;
    let fd = -1;
    try {
      fd = openForReading(source.parent(name), leaf);
      for (let left = size; left > 0; ) {
        const got = readSync(fd, buffer, 0, Math.min(left, buffer.length), null);
        if (got === 0) break;
        hasher.update(buffer.subarray(0, got));
        left -= got;
        if (pace.over) await pace.rest();
      }
      return Buffer.from(hasher.digest());
    } catch (error) {
      assertSystemError(error);
      return Buffer.alloc(listChecksum.digestLength);
    } finally {
      if (fd >= 0) closeSync(fd);
    }
  }
}

/** The last component of a name, as bytes. */
export function leafOf(name: string): Buffer {
  return Buffer.from(name.slice(name.lastIndexOf("/") + 1), "latin1");
}

/** Opens a file; the handle adds that a link is not followed and a fifo does not hang. */
export function openForReading(directory: DirectoryHandle, leaf: Buffer): number {
  return directory.openFile(leaf, fsConstants.O_RDONLY);
}
