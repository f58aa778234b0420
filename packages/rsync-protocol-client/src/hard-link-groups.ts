import { type FileEntry, type FileList, isDirectory } from "@dialhome/rsync-protocol";
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
  | ({ readonly is: "open"; last: number } & Waiting)
  | ({ readonly is: "led"; last: number; readonly leader: number } & Waiting)
  | ({ readonly is: "done" } & Leader);

/** Entries of a group that become links when its leader is in its place, in two queues: the first is taken up first. */
interface Waiting {
  /** Those that came behind the leader, in their order. */
  readonly behind: Job[];
  /** Those in front of it, the latest first. */
  readonly before: Job[];
}

/** The file that the others of its group become links to. */
export interface Leader {
  readonly name: string;
  /** It is another file than before: whoever was linked to the old one must be linked anew. */
  readonly replaced: boolean;
  /** It is a hard link to a file in a reference directory. */
  readonly isReferred: boolean;
}

/** What is to be done with an entry of a hard link group. */
export type HardLinkStep =
  /** The first of its group that is worth it: it is treated like any other file. */
  | { readonly is: "lead" }
  /** It is taken up again when its leader is finished, or when there will be none. */
  | { readonly is: "wait" }
  /** Its leader is in its place. */
  | { readonly is: "link"; readonly to: Leader };

/**
 * Hard link groups: one entry leads and is transferred, the others become links to it. As in rsync(1) the first leads of which
 * something is here, since a new name for a file that is here costs nothing; and without one the last that was listed by then.
 * Should it fail, another one takes its place.
 */
export class HardLinkGroups {
  readonly #groups = new Map<number, Group>();
  #revived: Job[] = [];
  #linkable: Job[] = [];

  /** A list has come. */
  listed(list: Pick<FileList, "at" | "length" | "start" | "isDropped">): void {
    for (let i = 0; i < list.length; i++) {
      const entry = list.at(i);
      if (!entry || entry.hardLinkGroup < 0 || isDirectory(entry) || list.isDropped(i)) continue;
      const group = this.#groups.get(entry.hardLinkGroup);
      if (group === undefined) this.#open(entry.hardLinkGroup, list.start + i);
      else if (group.is !== "done") group.last = list.start + i;
    }
  }

  /**
   * @param isHere - something to begin with is in its place, or in another directory
   * @param again - it was met before, and has waited in vain
   */
  meet(job: Job, isHere: boolean, again: boolean): HardLinkStep {
    const index = job.entry.hardLinkGroup;
    const group = this.#groups.get(index) ?? this.#open(index, job.ndx);
    if (group.is === "done") return { is: "link", to: group };
    if (group.is === "led") {
      group.behind.push(job);
      return { is: "wait" };
    }
    if (isHere || again || job.ndx >= group.last) {
      this.#groups.set(index, { ...group, is: "led", leader: job.ndx });
      return { is: "lead" };
    }
    group.before.unshift(job);
    return { is: "wait" };
  }

  /** The leader is in its place. @returns those that can be linked to it now */
  finished({ hardLinkGroup }: FileEntry, leader: Leader): readonly Job[] {
    const group = this.#groups.get(hardLinkGroup);
    if (group?.is !== "led") return [];
    this.#groups.set(hardLinkGroup, { is: "done", ...leader });
    return [...group.behind, ...group.before];
  }

  /**
   * An entry of a group will not be there, or nobody is to be linked to it. When no further one will come, the next of those that wait
   * is revived.
   */
  failed({ ndx, entry }: Job): void {
    const group = this.#groups.get(entry.hardLinkGroup);
    if (group === undefined || group.is === "done") return;
    if (group.is === "led" && group.leader !== ndx) return;
    const isOver = [ndx, ...group.behind.map((job) => job.ndx)].some((met) => met >= group.last);
    const [next, ...others] = [...group.behind, ...group.before];
    if (next === undefined || !isOver) {
      this.#open(entry.hardLinkGroup, group.last, next ? [next, ...others] : []);
      return;
    }
    this.#open(entry.hardLinkGroup, next.ndx, others);
    this.#revived.push(next);
  }

  /** Whether {@link takeRevived} has any. */
  get hasRevived(): boolean {
    return this.#revived.length > 0;
  }

  /** Entries that are to be met again. */
  takeRevived(): readonly Job[] {
    const revived = this.#revived;
    this.#revived = [];
    return revived;
  }

  /** Entries that can be linked to their leaders, when there is time. */
  postpone(jobs: readonly Job[]): void {
    for (const job of jobs) this.#linkable.push(job);
  }

  /** Whether {@link takePostponed} has any. */
  get hasPostponed(): boolean {
    return this.#linkable.length > 0;
  }

  /** Entries that are to be met again, since their leaders are in their places. */
  takePostponed(): readonly Job[] {
    const linkable = this.#linkable;
    this.#linkable = [];
    return linkable;
  }

  #open(index: number, last: number, before: Job[] = []): Group {
    const group: Group = { is: "open", last, behind: [], before };
    this.#groups.set(index, group);
    return group;
  }
}
