import type { FileEntry } from "@dialhome/rsync-protocol";
import type { StoredEntry } from "./destination.ts";
import type { ListWork } from "./list-progress.ts";

/** An entry with its place in the session. */
export interface Job {
  readonly ndx: number;
  readonly entry: FileEntry;
  readonly work: ListWork;
  /** In the second attempt: `ITEM` bits of the first, since what is here may have changed by it. */
  readonly changes?: number;
  /** `ITEM` bits against what is made the basis or the model of an entry that is not here: told of it instead of "new". */
  readonly against?: number;
  /** Permissions of a basis in another directory: without `-p` an entry that is not here gets those, as in rsync(1). */
  readonly basisMode?: number;
  /** What a store of the caller's has under its name. */
  readonly stored?: StoredEntry;
}

type Group =
  | { readonly is: "working"; led: boolean; bases: number; readonly waiting: Job[] }
  | ({ readonly is: "done" } & Leader);

/** The file that the others of its group become links to. */
export interface Leader {
  readonly name: string;
  /** It is another file than before: whoever was linked to the old one must be linked anew. */
  readonly replaced: boolean;
}

/** What is to be done with an entry of a hard link group. */
export type HardLinkStep =
  /** The first of its group that is worth it: it is treated like any other file. */
  | { readonly is: "lead" }
  /** It is taken up again when its leader is finished, or when none was found. */
  | { readonly is: "wait" }
  /** Its leader is in its place. */
  | { readonly is: "link"; readonly to: Leader };

/**
 * Hard link groups: one entry leads and is transferred, the others become links to it. Should it fail, the next one takes its
 * place. One that needs no transfer is the best leader, so the others are deferred until no list is at hand in which it may be: a
 * new name for a file that is here costs nothing.
 */
export class HardLinkGroups {
  readonly #groups = new Map<number, Group>();
  readonly #deferred = new Set<number>();

  /**
   * @param mayLead - false for one that should rather be linked to another
   * @param isBasis - a file is in its place, from which a delta can be made: should one have to be sent, then rather this
   */
  meet(job: Job, mayLead: boolean, isBasis: boolean): HardLinkStep {
    const index = job.entry.hardLinkGroup;
    const group = this.#groups.get(index);
    if (group?.is === "done") return { is: "link", to: group };
    if (mayLead && !group?.led) {
      if (group) group.led = true;
      else this.#groups.set(index, { is: "working", led: true, bases: 0, waiting: [] });
      this.#deferred.delete(index);
      return { is: "lead" };
    }
    if (group) {
      if (isBasis) group.waiting.splice(group.bases++, 0, job);
      else group.waiting.push(job);
    } else {
      this.#groups.set(index, {
        is: "working",
        led: false,
        bases: isBasis ? 1 : 0,
        waiting: [job],
      });
      this.#deferred.add(index);
    }
    return { is: "wait" };
  }

  /** Index of an entry of the group that waits the longest for a leader to be found; undefined when none does. */
  get deferredSince(): number | undefined {
    for (const index of this.#deferred) {
      const group = this.#groups.get(index);
      if (group?.is === "working") return group.waiting[0]?.ndx;
    }
    return undefined;
  }

  /** The entries of groups for which no leader was found; they are to be met anew, and may lead then. */
  takeDeferred(): readonly Job[] {
    const jobs: Job[] = [];
    for (const index of this.#deferred) {
      const group = this.#groups.get(index);
      if (group?.is === "working") jobs.push(...group.waiting);
      this.#groups.delete(index);
    }
    this.#deferred.clear();
    return jobs;
  }

  /** The leader is in its place. @returns those that can be linked to it now */
  finished(leader: FileEntry, replaced: boolean): readonly Job[] {
    const group = this.#groups.get(leader.hardLinkGroup);
    if (group?.is !== "working") return [];
    this.#groups.set(leader.hardLinkGroup, { is: "done", name: leader.name, replaced });
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
