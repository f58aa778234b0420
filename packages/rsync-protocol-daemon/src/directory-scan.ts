import { accessSync, closeSync, constants as fsConstants, readSync } from "node:fs";
import {
  type DirectoryHandle,
  errorCode,
  type FileStat,
  isDirectory,
  isRegularFile,
  isSymlink,
} from "@dialhome/posix-fs";
import {
  directoryOf,
  type FileList,
  type FileLists,
  LIMITS,
  MODE,
  RsyncError,
} from "@dialhome/rsync-protocol";
import { MUNGED_PREFIX, READ_BYTES } from "./constants.ts";
import { readAcl, readXattrs } from "./entry-metadata.ts";
import { HardLinks } from "./hard-links.ts";
import { assertSystemError } from "./report.ts";
import type { Session } from "./session.ts";
import type { Source, SourceEntry } from "./source.ts";
import type { SourceRequest } from "./sources.ts";

/** What stands in the list for something that is not there, so that the client deletes it (`--delete-missing-args`). */
export const MISSING: FileStat = {
  mode: 0,
  size: 0,
  atimeSec: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  uid: 0,
  gid: 0,
  ino: 0n,
  dev: 0,
  nlink: 1,
  rdevMajor: 0,
  rdevMinor: 0,
  blocks: 0,
};

const NO_METADATA = { acl: undefined, xattrs: undefined } as const;

/** How an entry stands in its list. */
interface EntryPlace {
  readonly source: Source;
  readonly name: string;
  /** The last component of the name. */
  readonly leaf: Buffer;
  readonly list: FileList;
  /** Asked for, on the way to what was asked for, or found in a directory. */
  readonly kind: "top" | "implied" | "found";
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

  /**
   * Adds what a source was asked for, as it was found.
   *
   * @returns undefined when it is gone meanwhile
   */
  async asked(
    request: SourceRequest,
    stat: FileStat,
    list: FileList,
  ): Promise<SourceEntry | undefined> {
    const { options } = this.#session;
    const { source } = request;
    const name = request.top ?? ".";
    const isEntered = options.recursive || (options.dirs && request.isContent);
    const checksum = this.#isSummed(stat) ? await this.#sumOf(source, name, stat.size) : undefined;
    const leaf = leafOf(name);
    return this.#add(stat, { source, name, leaf, list, kind: "top", isEntered, checksum });
  }

  /**
   * Adds a directory on the way to what was asked for with `-R`. Only the module's rules count.
   *
   * @returns false when it has vanished, which was reported
   */
  onTheWay(source: Source, name: string, list: FileList): boolean {
    const leaf = leafOf(name);
    const stat =
      name === "."
        ? source.directory(".").stat()
        : this.#stat(source, directoryOf(name), name, leaf);
    if (stat === undefined) return false;
    const place = { source, name, leaf, list, kind: "implied", isEntered: false } as const;
    if (isDirectory(stat)) this.#add(stat, { ...place, checksum: undefined });
    return true;
  }

  /**
   * Adds the content of a directory.
   *
   * @returns the directories whose own content is to be sent
   */
  async content(source: Source, directory: string, list: FileList): Promise<SourceEntry[]> {
    const { pace, report, options, rules } = this.#session;
    let names: Buffer[];
    // With -x: the file system that is not to be left. It is that of the directory, or this would not be entered.
    let device: number | undefined;
    try {
      source.filter.enter(directory, (path) => source.directory(path));
      const handle = source.directory(directory);
      if (options.oneFileSystem > 0) device = handle.stat().dev;
      names = handle.names();
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
      const stat = this.#stat(source, directory, name, leaf);
      if (stat === undefined || source.filter.excludes(name, isDirectory(stat))) continue;
      if (rules.ignoreNonreadable && !this.#isReadable(stat, source, name)) continue;
      const isForeign = device !== undefined && stat.dev !== device && isDirectory(stat);
      if (isForeign && options.oneFileSystem > 1) continue;
      const isEntered = options.recursive && !isForeign;
      const checksum = this.#isSummed(stat)
        ? await this.#sumOf(source, name, stat.size)
        : undefined;
      const place = { source, name, leaf, list, kind: "found", isEntered, checksum } as const;
      const entry = this.#add(stat, place);
      if (entry !== undefined && isEntered && isDirectory(entry)) directories.push(entry);
    }
    return directories;
  }

  /** What an entry is; undefined after it was reported that this cannot be found out. */
  #stat(source: Source, directory: string, name: string, leaf: Buffer): FileStat | undefined {
    const { report } = this.#session;
    try {
      const stat = this.lookUp(source, name, source.directory(directory), leaf);
      if (stat === undefined) report.vanished(source.label(name));
      return stat;
    } catch (error) {
      const isLost = error instanceof LostLink;
      if (!isLost) assertSystemError(error);
      // What is left out anyway is not worth a word.
      const { filter } = source;
      if (filter.excludes(name, false) || filter.excludes(name, true)) return undefined;
      if (isLost) report.lostLink(source.label(name));
      else report.unreadable(source.label(name), error);
      return undefined;
    }
  }

  /** An entry, or what it leads to if it is a link and the client wants it followed. Throws {@link LostLink} when that is nothing. */
  lookUp(
    source: Source,
    name: string,
    directory: DirectoryHandle,
    leaf: Buffer,
  ): FileStat | undefined {
    const stat = directory.lstat(leaf);
    if (stat === undefined || !isSymlink(stat) || !source.mayFollow(name)) return stat;
    const target = directory.readlink(leaf).toString("latin1");
    try {
      const followed = source.followed(name, target);
      const { options, report } = this.#session;
      if (followed && options.copyUnsafeLinks && !options.copyLinks && options.verbose > 0) {
        report.info(`copying unsafe symlink "${name}" -> "${target}"`);
      }
      return followed ?? stat;
    } catch (error) {
      if (error instanceof RsyncError || errorCode(error) === "ENOENT") throw new LostLink(error);
      throw error;
    }
  }

  /** Whether this process may read an entry; a link always may be. */
  #isReadable(stat: FileStat, source: Source, name: string): boolean {
    if (isSymlink(stat)) return true;
    if (isDirectory(stat)) return mayRead(source.parent(name).at(leafOf(name)));
    return source.reach(name, (directory, leaf) => mayRead(directory.at(leaf)));
  }

  /** Whether the list has a checksum of the file's content. */
  #isSummed(stat: FileStat): boolean {
    return this.#session.format.checksumBytes > 0 && isRegularFile(stat);
  }

  #add(stat: FileStat, place: EntryPlace): SourceEntry | undefined {
    const { options } = this.#session;
    const { source, name, list, kind } = place;
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
    const plain: SourceEntry = {
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
      acl: metadata.acl,
      xattrs: metadata.xattrs,
      // A directory that is only on the way is marked as asked for, but without content.
      isTopDirectory: isDir && (kind === "implied" || (kind === "top" && place.isEntered)),
      hasContent: isDir && place.isEntered,
      source,
    };
    // Spread only where it is: an entry that is put together of parts takes half as much memory again.
    const withTime = this.#session.format.atimes && !isDir;
    const entry = withTime ? { ...plain, atime: stat.atimeSec } : plain;
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
    if ((!format.acls && !format.xattrs) || stat === MISSING) return NO_METADATA;
    try {
      const attributes = source.attributes(name, isSymlink(stat));
      return {
        acl: format.acls && !isSymlink(stat) ? readAcl(attributes, stat.mode) : undefined,
        xattrs: format.xattrs
          ? readXattrs(attributes, stat.mode, source.filter.isXattrExcluded)
          : undefined,
      };
    } catch (error) {
      assertSystemError(error);
      report.failedOrVanished("get_xattr_data", `${source.label(name)} failed`, error);
      return undefined;
    }
  }

  #readlink({ source, name, leaf }: EntryPlace): string | undefined {
    try {
      const target = source.parent(name).readlink(leaf).toString("latin1");
      return this.#session.rules.unmungesLinks ? unmunge(target) : target;
    } catch (error) {
      assertSystemError(error);
      this.#session.report.unreadable(source.label(name), error);
      return undefined;
    }
  }

  /** The sum of a file's content for `-c`; zeros when it cannot be read, which no file's sum is. */
  async #sumOf(source: Source, name: string, size: number): Promise<Buffer> {
    const { listChecksum, pace, rules } = this.#session;
    const hasher = listChecksum.fileHasher();
    this.#buffer ??= Buffer.allocUnsafeSlow(READ_BYTES);
    const buffer = this.#buffer;
    let fd = -1;
    try {
      fd = openForReading(source, name, rules.noAtime);
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
function leafOf(name: string): Buffer {
  return Buffer.from(name.slice(name.lastIndexOf("/") + 1), "latin1");
}

/**
 * Opens a file of the list; the handle adds that a link is not followed and a fifo does not hang.
 *
 * @param noAtime - its time of access is to stay, where that is allowed: to root, and to the file's owner
 */
export function openForReading(source: Source, name: string, noAtime: boolean): number {
  return source.reach(name, (directory, leaf) => {
    if (!noAtime) return directory.openFile(leaf, fsConstants.O_RDONLY);
    try {
      return directory.openFile(leaf, fsConstants.O_RDONLY | fsConstants.O_NOATIME);
    } catch (error) {
      if (errorCode(error) !== "EPERM") throw error;
      return directory.openFile(leaf, fsConstants.O_RDONLY);
    }
  });
}

/** Whether this process may read what lies at a path. */
function mayRead(path: Buffer): boolean {
  try {
    accessSync(path, fsConstants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** Takes the prefix away that makes a link unusable on a daemon's machine (`--munge-links`). */
function unmunge(target: string): string {
  return target.startsWith(MUNGED_PREFIX) ? target.slice(MUNGED_PREFIX.length) : target;
}

/** A link that is to be followed and leads nowhere, or where it may not. */
export class LostLink extends RsyncError {
  constructor(cause: unknown) {
    const message = cause instanceof Error ? cause.message : String(cause);
    super("ERR_RSYNC_FILE", message, { cause });
  }
}
