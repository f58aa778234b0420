import { closeSync, readSync } from "node:fs";
import { type DirectoryHandle, errorCode } from "@dialhome/posix-fs";
import { FilterChain, type FilterRule, LIMITS } from "@dialhome/rsync-protocol";

/** Largest per-directory merge file that is read, in bytes. */
const MERGE_FILE_BYTES = 1024 * 1024;

/** The rules that hold for one session. */
export interface SessionFilters {
  /** The module's own: what they exclude does not exist for the client. */
  readonly module: readonly FilterRule[];
  /** What the client sent. */
  readonly client: readonly FilterRule[];
  /** What the client's `-C` takes besides CVS's own list. */
  readonly cvsIgnore?: readonly string[];
}

/** Which entries of one source are left out, by the module's rules and by the client's. */
export class SourceFilter {
  readonly #module: FilterChain;
  readonly #client: FilterChain;
  /** Directories whose merge files are in force, outermost first. */
  readonly #entered: string[] = [];

  /** @param root - path of the transfer's root within the module, without leading slash */
  constructor(filters: SessionFilters, root: string) {
    this.#module = new FilterChain(filters.module, { side: "sender", root });
    const cvsIgnore = filters.cvsIgnore ?? [];
    this.#client = new FilterChain(filters.client, { side: "sender", root, cvsIgnore });
  }

  /** Whether a name that was asked for is out of reach. */
  hidesRequested(name: string, isDirectory: boolean): boolean {
    return this.#module.excludedByAncestors(name, isDirectory);
  }

  /** Whether an entry of the directory entered last is left out. */
  excludes(name: string, isDirectory: boolean): boolean {
    return this.#module.excluded(name, isDirectory) || this.#client.excluded(name, isDirectory);
  }

  /** What rules say of the names of extended attributes, if there are such rules. */
  get isXattrExcluded(): ((name: string) => boolean) | undefined {
    const [module, client] = [this.#module, this.#client];
    if (!module.hasXattrRules && !client.hasXattrRules) return undefined;
    return (name) =>
      module.decideXattr(name) === "exclude" || client.decideXattr(name) === "exclude";
  }

  /**
   * Makes the merge files down to a directory count, before its entries are asked for. Directories may come
   * in any order; going deeper step by step costs least.
   *
   * @throws RsyncError for a wrong rule in a merge file
   */
  enter(directory: string, open: (directory: string) => DirectoryHandle): void {
    if (!this.#module.readsDirectories && !this.#client.readsDirectories) return;
    for (
      let last = this.#entered.at(-1);
      last !== undefined && !isWithin(directory, last);
      last = this.#entered.at(-1)
    ) {
      this.#module.leaveDirectory();
      this.#client.leaveDirectory();
      this.#entered.pop();
    }
    for (const path of this.#missing(directory)) {
      const read = (name: string): string | undefined => readText(open(path), name);
      const below = path === "." ? "" : path;
      this.#module.enterDirectory(below, read);
      this.#client.enterDirectory(below, read);
      this.#entered.push(path);
    }
  }

  /** The directories between the one entered last and `directory`, which is the last of them. */
  #missing(directory: string): string[] {
    const last = this.#entered.at(-1);
    if (last === directory) return [];
    if (directory === ".") return [directory];
    const paths: string[] = [];
    const start = last === undefined || last === "." ? 0 : last.length + 1;
    for (
      let slash = directory.indexOf("/", start);
      slash >= 0;
      slash = directory.indexOf("/", slash + 1)
    ) {
      paths.push(directory.slice(0, slash));
    }
    return [...paths, directory];
  }
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || directory === "." || path.startsWith(`${directory}/`);
}

/** A regular file of a directory as latin1; undefined when there is none that can be read. */
function readText(directory: DirectoryHandle, name: string): string | undefined {
  let fd = -1;
  try {
    fd = directory.openFile(Buffer.from(name, "latin1"));
    const buffer = Buffer.allocUnsafe(MERGE_FILE_BYTES + LIMITS.filterRuleBytes);
    let length = 0;
    for (let got = -1; got !== 0 && length < buffer.length; length += got) {
      got = readSync(fd, buffer, length, buffer.length - length, null);
    }
    return length > MERGE_FILE_BYTES ? undefined : buffer.toString("latin1", 0, length);
  } catch (error) {
    // Missing, a link, a directory, not ours to read: no rules from here.
    if (errorCode(error) !== undefined) return undefined;
    throw error;
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}
