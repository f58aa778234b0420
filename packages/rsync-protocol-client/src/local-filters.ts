import * as fs from "node:fs";
import type { DirectoryHandle } from "@dialhome/posix-fs";
import {
  FILTER_LIMITS,
  FilterChain,
  type FilterChainOptions,
  type FilterRule,
} from "@dialhome/rsync-protocol";
import { type DestinationTree, nameBytes } from "./destination-tree.ts";
import type { TransferOptions } from "./pull-options.ts";

/**
 * The filter rules as they hold in the destination: what they exclude is not deleted. Rules such as `: .rsync-filter` are read from
 * the destination's own directories, and from those above it where they say so.
 */
export class LocalFilters {
  readonly #tree: DestinationTree;
  readonly #rules: readonly FilterRule[];
  readonly #options: FilterChainOptions;
  /** Follows the sweeps from directory to directory; used by one at a time. */
  readonly #walking: FilterChain;
  readonly #entered: string[] = [];

  constructor(
    tree: DestinationTree,
    rules: readonly FilterRule[],
    options: Pick<TransferOptions, "deleteExcluded" | "cvsIgnore">,
  ) {
    this.#tree = tree;
    this.#rules = rules;
    const needsRoot = rules.some((rule) => rule.absolute || rule.type === "dir-merge");
    this.#options = {
      side: "receiver",
      deleteExcluded: options.deleteExcluded === true,
      cvsIgnore: options.cvsIgnore ?? [],
      root: needsRoot ? fs.realpathSync.native(tree.root.self, "latin1") : "",
      readAncestorFile: (directory, name) => readAbove(`/${directory}/${name}`),
    };
    this.#walking = new FilterChain(rules, this.#options);
  }

  /** Nothing is ever excluded. */
  get isEmpty(): boolean {
    return this.#walking.isEmpty;
  }

  /** What the rules say of the names of extended attributes, if there are such rules. */
  get isXattrExcluded(): ((name: string) => boolean) | undefined {
    const chain = this.#walking;
    if (!chain.hasXattrRules) return undefined;
    return (name) => chain.decideXattr(name) === "exclude";
  }

  /** The rules in a directory, for whoever goes through the tree; they hold until the next call. */
  walkTo(path: string): FilterChain {
    const chain = this.#walking;
    if (!chain.readsDirectories) return chain;
    while (this.#entered.length > 0 && !isAtOrBelow(path, this.#entered.at(-1) ?? ".")) {
      this.#entered.pop();
      chain.leaveDirectory();
    }
    this.#enter(chain, path, this.#entered);
    return chain;
  }

  /** The rules in a directory, of the caller alone. */
  at(path: string): FilterChain {
    if (!this.#walking.readsDirectories) return this.#walking;
    const chain = new FilterChain(this.#rules, this.#options);
    this.#enter(chain, path, []);
    return chain;
  }

  #enter(chain: FilterChain, path: string, entered: string[]): void {
    for (const directory of directoriesTo(path)) {
      if (entered.includes(directory)) continue;
      chain.enterDirectory(directory, (name) => this.#read(directory, name));
      entered.push(directory);
    }
  }

  #read(directory: string, name: string): string | undefined {
    let handle: DirectoryHandle;
    try {
      handle = this.#tree.directory(directory);
    } catch {
      // Missing, as may be in a dry run.
      return undefined;
    }
    return readRuleFile(handle, name);
  }
}

/** The text of a rule file in a directory, if there is one that can be read; symbolic links are not followed. */
export function readRuleFile(directory: DirectoryHandle, name: string): string | undefined {
  try {
    return readText(directory.openFile(nameBytes(name)));
  } catch {
    return undefined;
  }
}

/** Above the destination lies what is its owner's: paths are taken as they are. */
function readAbove(path: string): string | undefined {
  try {
    return readText(fs.openSync(nameBytes(path), "r"));
  } catch {
    return undefined;
  }
}

/** Reads an open file, and closes it. What is over the limit is still over it by a byte. */
function readText(fd: number): string | undefined {
  try {
    if (!fs.fstatSync(fd).isFile()) return undefined;
    const buffer = Buffer.alloc(FILTER_LIMITS.mergeFileBytes + 1);
    let length = 0;
    for (let count = -1; count !== 0 && length < buffer.length; length += count) {
      count = fs.readSync(fd, buffer, length, buffer.length - length, null);
    }
    return buffer.toString("latin1", 0, length);
  } finally {
    fs.closeSync(fd);
  }
}

/** `.`, `a`, `a/b` for `a/b`. */
function directoriesTo(path: string): string[] {
  if (path === ".") return ["."];
  const parts = path.split("/");
  return [".", ...parts.map((_, index) => parts.slice(0, index + 1).join("/"))];
}

function isAtOrBelow(path: string, directory: string): boolean {
  return directory === "." || path === directory || path.startsWith(`${directory}/`);
}
