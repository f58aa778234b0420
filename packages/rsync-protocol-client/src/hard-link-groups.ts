import type { FileEntry } from "@dialhome/rsync-protocol";
import type { ListWork } from "./list-progress.ts";

/** An entry with its place in the session. */
export interface Job {
  readonly ndx: number;
  readonly entry: FileEntry;
  readonly work: ListWork;
}

type Group =
  | { readonly is: "working"; readonly waiting: Job[] }
  | { readonly is: "done"; readonly name: string };

/** What is to be done with an entry of a hard link group. */
export type HardLinkStep =
  /** The first of its group to be met: it is treated like any other file. */
  | { readonly is: "lead" }
  /** Its leader is under way: it is taken up again when that is finished. */
  | { readonly is: "wait" }
  /** Its leader lies under this name. */
  | { readonly is: "link"; readonly to: string };

/**
 * Hard link groups: the first entry met is transferred, the others become links to it. Should it fail, the next one takes
 * its place.
 */
export class HardLinkGroups {
  readonly #groups = new Map<number, Group>();

  meet(job: Job): HardLinkStep {
    const group = this.#groups.get(job.entry.hardLinkGroup);
    if (!group) {
      this.#groups.set(job.entry.hardLinkGroup, { is: "working", waiting: [] });
      return { is: "lead" };
    }
    if (group.is === "done") return { is: "link", to: group.name };
    group.waiting.push(job);
    return { is: "wait" };
  }

  /** The leader is in its place. @returns those that can be linked to it now */
  finished(leader: FileEntry): readonly Job[] {
    const group = this.#groups.get(leader.hardLinkGroup);
    if (group?.is !== "working") return [];
    this.#groups.set(leader.hardLinkGroup, { is: "done", name: leader.name });
    return group.waiting;
  }

  /** The leader could not be made. @returns those that must be met anew */
  failed(leader: FileEntry): readonly Job[] {
    const group = this.#groups.get(leader.hardLinkGroup);
    if (group?.is !== "working") return [];
    this.#groups.delete(leader.hardLinkGroup);
    return group.waiting;
  }
}
