import { errorCode, type FileStat, isDirectory } from "@dialhome/posix-fs";
import {
  baseNameOf,
  directoryOf,
  isUnsafeLink,
  RsyncError,
  type ServerOptions,
} from "@dialhome/rsync-protocol";
import { type Reached, walkInside } from "./path-gate.ts";
import type { SourceRoot } from "./sources.ts";

/** Which symbolic links a client wants to have followed. */
export type LinkPolicy = "directories" | "unsafe" | "all";

/** The links that a client's options follow; each option goes with the others, so there may be several. */
export function linkPolicies(options: Readonly<ServerOptions>): ReadonlySet<LinkPolicy> {
  const policies = new Set<LinkPolicy>();
  if (options.copyLinks) policies.add("all");
  if (options.copyDirlinks) policies.add("directories");
  if (options.copyUnsafeLinks) policies.add("unsafe");
  return policies;
}

/** Where a name of the list really lies. */
interface Place {
  readonly components: readonly string[];
  /** Links on the way there. */
  readonly links: number;
}

/** What a follower works with. */
export interface FollowerOptions {
  readonly root: SourceRoot;
  /** Where the transfer's root lies below the root, without links. */
  readonly base: readonly string[];
  readonly policies: ReadonlySet<LinkPolicy>;
  /** Whether something must not be reached: the module's filter leaves it out. */
  readonly hides: (path: string, isDirectory: boolean) => boolean;
}

/**
 * Follows symbolic links of one source as `-L`, `-k`, `--copy-unsafe-links` and `-R` want it, and never out of the module:
 * each link is walked by hand from the module's root.
 */
export class LinkFollower {
  readonly #options: FollowerOptions;
  /** Names that are links to directories, and where those lie. */
  readonly #moved = new Map<string, Place>();
  /** Names that are followed to directories whatever the policy. */
  readonly #anyway = new Set<string>();

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  /** Follow these to directories in any case: with `-R` what lies on the way, and what was asked for with a slash behind it. */
  add(names: readonly string[]): void {
    for (const name of names) this.#anyway.add(name);
  }

  /** Whether the name, if it is a link, may be one that is followed. */
  mayFollow(name: string): boolean {
    return this.#options.policies.size > 0 || this.#anyway.has(name);
  }

  /**
   * What a symbolic link of the list stands for.
   *
   * @param target - the link's text
   * @returns undefined when the link is to be sent as a link
   * @throws as {@link walkInside}, when there is nothing that it leads to
   */
  stat(name: string, target: string): FileStat | undefined {
    const { policies } = this.#options;
    if (policies.has("all") || (policies.has("unsafe") && isUnsafeLink(target, name))) {
      return this.#statOf(name);
    }
    if (!policies.has("directories") && !this.#anyway.has(name)) return undefined;
    try {
      const stat = this.#statOf(name);
      return isDirectory(stat) ? stat : undefined;
    } catch (error) {
      // A link that leads nowhere is still a link.
      if (error instanceof RsyncError || errorCode(error) !== undefined) return undefined;
      throw error;
    }
  }

  /** Walks to what a link leads to. The caller closes the directory. */
  reach(name: string): Reached {
    const { root, hides } = this.#options;
    const above = this.#placeOf(directoryOf(name));
    const reached = walkInside(root.directory, [...above.components, baseNameOf(name)], true, {
      followAbsolute: root.followAbsolute,
      linksBefore: above.links,
    });
    try {
      if (hides(reached.components.join("/"), reached.leaf === undefined)) throw noSuchEntry();
    } catch (error) {
      reached.directory.close();
      throw error;
    }
    if (reached.leaf === undefined) {
      this.#moved.set(name, { components: reached.components, links: reached.links });
    }
    return reached;
  }

  #statOf(name: string): FileStat {
    const { directory, leaf } = this.reach(name);
    try {
      const stat = leaf === undefined ? directory.stat() : directory.lstat(leaf);
      if (stat === undefined) throw noSuchEntry();
      return stat;
    } finally {
      directory.close();
    }
  }

  #placeOf(directory: string): Place {
    const below: string[] = [];
    for (let at = directory; at !== "."; at = directoryOf(at)) {
      const moved = this.#moved.get(at);
      if (moved !== undefined) {
        return { components: [...moved.components, ...below.toReversed()], links: moved.links };
      }
      below.push(baseNameOf(at));
    }
    return { components: [...this.#options.base, ...below.toReversed()], links: 0 };
  }
}

/** As the kernel says it. */
export function noSuchEntry(): Error {
  return Object.assign(new Error("ENOENT: no such file or directory"), {
    code: "ENOENT",
    errno: 2,
  });
}
