import { errorCode, type FileStat, isDirectory } from "@dialhome/posix-fs";
import {
  baseNameOf,
  directoryOf,
  type FileList,
  IO_ERROR,
  RsyncError,
} from "@dialhome/rsync-protocol";
import { type DirectoryScan, LostLink, MISSING } from "./directory-scan.ts";
import { noSuchEntry } from "./link-follower.ts";
import { assertSystemError, describeError } from "./report.ts";
import { directoriesAbove } from "./requested-source.ts";
import type { Session } from "./session.ts";
import type { Source, SourceEntry } from "./source.ts";
import type { SourceRequest } from "./sources.ts";

/**
 * What was asked for by its name, and with `-R` the directories above it. With incremental recursion each of them stands in the
 * list of the directory that it lies in, so what lies deeper waits until that list is made.
 */
export class RequestedEntries {
  readonly #session: Session;
  readonly #scan: DirectoryScan;
  /** The root stands in the list because a path began with `./`. */
  #hasImpliedRoot = false;
  /** The directory on the way to what was asked for last with `-R`; without incremental recursion the one right above it. */
  #impliedLast = "";
  /** What lies below a directory that is on the way to it, by the directory's name. */
  readonly #deeper = new Map<Source, Map<string, SourceRequest[]>>();

  constructor(session: Session, scan: DirectoryScan) {
    this.#session = session;
    this.#scan = scan;
  }

  /**
   * Adds what was asked for to the first list, or what there is of its way.
   *
   * @returns the entry; undefined when it is not there, is left out, is a directory that is not to be sent, or has to wait
   */
  async add(request: SourceRequest, list: FileList): Promise<SourceEntry | undefined> {
    const { source, top = "." } = request;
    if (request.hasImpliedRoot && !this.#hasImpliedRoot) {
      this.#hasImpliedRoot = true;
      this.#scan.onTheWay(source, ".", list);
    }
    const stat = this.#find(request);
    if (stat === undefined) return undefined;
    if (this.#session.format.incRecurse) {
      const slash = top.indexOf("/");
      return slash < 0 ? this.#scan.asked(request, stat, list) : this.#wait(request, slash, list);
    }
    // Without a directory on the way the client could not place it, and would end the session.
    if (!this.#addWay(source, top, list) && stat !== MISSING) return undefined;
    return this.#scan.asked(request, stat, list);
  }

  /** Adds what waited for the list of a directory. */
  async addWaiting({ source, name }: SourceEntry, list: FileList): Promise<void> {
    const requests = this.#deeper.get(source)?.get(name);
    if (requests === undefined) return;
    this.#deeper.get(source)?.delete(name);
    try {
      source.filter.enter(name, (path) => source.directory(path));
    } catch (error) {
      // Where it is gone, that is told of what was asked for in it.
      assertSystemError(error);
    }
    for (const request of requests) {
      const slash = request.top?.indexOf("/", name.length + 1) ?? -1;
      if (slash >= 0) {
        this.#wait(request, slash, list);
        continue;
      }
      const stat = this.#find(request);
      if (stat !== undefined) await this.#scan.asked(request, stat, list);
    }
  }

  /** Adds the directory on the way that ends at `slash`, below which there is more to come. */
  #wait(request: SourceRequest, slash: number, list: FileList): undefined {
    const { source, top = "." } = request;
    const above = top.slice(0, slash);
    let ofSource = this.#deeper.get(source);
    if (ofSource === undefined) this.#deeper.set(source, (ofSource = new Map()));
    const waiting = ofSource.get(above);
    // As rsync: it is listed, and counted, once more where something else came between.
    const isListed = waiting !== undefined && this.#impliedLast === above;
    this.#impliedLast = above;
    if (!isListed && !this.#scan.onTheWay(source, above, list)) return;
    if (waiting === undefined) ofSource.set(above, [request]);
    else waiting.push(request);
  }

  /**
   * Adds the directories above a name, but for those that it shares with the last one. As in rsync(1), which counts them, the lowest
   * one of the last name is added again for what lies deeper.
   * @returns false when one of them has vanished, which was reported
   */
  #addWay(source: Source, name: string, list: FileList): boolean {
    const last = this.#impliedLast;
    if (directoryOf(name) === last) return true;
    const fresh = directoriesAbove(name).filter((above) => !last.startsWith(`${above}/`));
    if (!fresh.every((above) => this.#scan.onTheWay(source, above, list))) return false;
    if (fresh.length > 0) this.#impliedLast = directoryOf(name);
    return true;
  }

  /** What was asked for; undefined when it is not to be sent, which was told where rsync tells it. */
  #find({ source, top = "." }: SourceRequest): FileStat | undefined {
    const { options, report } = this.#session;
    const stat = this.#stat(source, top);
    if (stat === undefined || stat === MISSING) return stat;
    const isDir = isDirectory(stat);
    if (top !== "." && source.filter.excludes(top, isDir)) return undefined;
    if (isDir && !options.recursive && !options.dirs) {
      report.info(`skipping directory ${top}`);
      return undefined;
    }
    return stat;
  }

  /** {@link MISSING} if the client wants to hear that it is not there. */
  #stat(source: Source, name: string): FileStat | undefined {
    const { options, report } = this.#session;
    if (name === ".") return source.directory(".").stat();
    try {
      const leaf = Buffer.from(baseNameOf(name), "latin1");
      const stat = this.#scan.lookUp(source, name, source.parent(name), leaf);
      if (stat !== undefined && !source.hides(name, isDirectory(stat))) return stat;
      throw noSuchEntry();
    } catch (thrown) {
      const error = thrown instanceof LostLink ? thrown.cause : thrown;
      if (!(error instanceof RsyncError)) assertSystemError(error);
      const isAbsent = errorCode(error) === "ENOENT";
      if (isAbsent && options.deleteMissingArgs) return MISSING;
      if (isAbsent && options.ignoreMissingArgs) return undefined;
      // As rsync: only what may be there after all keeps the client from deleting.
      const what = "[sender] link_stat";
      if (!isAbsent) report.ioError |= IO_ERROR.GENERAL;
      report.transferError(`${what} ${source.label(name)} failed: ${describeError(error)}`);
      return undefined;
    }
  }
}
