import type { FileLists, NdxCodec, SumHeader, Wire } from "@dialhome/rsync-protocol";
import type { Attributes } from "./attributes.ts";
import type { Comparison } from "./comparison.ts";
import type { DelayedUpdates } from "./delayed-updates.ts";
import type { DestinationTree } from "./destination-tree.ts";
import type { ChangeEntry } from "./entry-changes.ts";
import type { EntryReports } from "./entry-reports.ts";
import type { HardLinkGroups, Job, Leader } from "./hard-link-groups.ts";
import type { ListProgress } from "./list-progress.ts";
import type { Workplaces } from "./placement-options.ts";
import type { Privilege } from "./privilege.ts";
import type { PullOptions } from "./pull-options.ts";
import type { SessionTerms } from "./session-start.ts";
import type { Tally } from "./tally.ts";
import type { TransferQueue } from "./transfer-queue.ts";
import type { XattrValues } from "./xattr-values.ts";

/** A file whose content was asked for and has not come yet. */
export interface Transfer {
  readonly job: Job;
  /** `ITEM` bits of the request, which the reply must repeat. */
  readonly flags: number;
  /** What the sums were made of: 0x80 the file itself, else the number of a directory that files are compared with. */
  readonly basis: number;
  readonly sums: SumHeader;
  /** The second and last attempt. */
  readonly redo: boolean;
  /** Goes on with an entry whose content is not sent, when the values of its extended attributes have come. */
  readonly resume?: () => Promise<void> | undefined;
  /** What is here stays, and the rest is sent (`--append`). */
  readonly append: boolean;
  /** How often the sender had been told DONE when it was asked for. */
  readonly phase: number;
}

/** What the two halves of a session share, wherever it writes to. */
export interface Session {
  readonly options: PullOptions;
  readonly wire: Wire;
  readonly terms: SessionTerms;
  readonly lists: FileLists;
  readonly progress: ListProgress;
  /** Index state of what is sent. */
  readonly ndx: NdxCodec;
  /** Gives entries of lists the form in which they are to be here; undefined leaves them. */
  readonly changeEntry: ChangeEntry | undefined;
  readonly tally: Tally;
  readonly comparison: Comparison;
  readonly reports: EntryReports;
  readonly hardLinks: HardLinkGroups;
  readonly transfers: TransferQueue;
  /** Files that the generator is to take up again: after a failed checksum, or when the leader of their group failed. */
  readonly again: (Job & { readonly redo: boolean })[];
}

/** A session with what it has to know of the place that it writes to. */
export interface SessionContext extends Session {
  /** With `-X`. */
  readonly xattrs: XattrValues | undefined;
  /** With `--delay-updates`: files that do not have their names yet. */
  readonly delayed: DelayedUpdates | undefined;
  /** The leader of its hard link group has its name: the entry becomes a link to it. */
  readonly linkToLeader: (job: Job, leader: Leader) => void;
}

/** What the two halves of a pull into a local tree share. */
export interface PullContext
  extends SessionContext,
    Omit<Workplaces, "delayed" | typeof Symbol.dispose> {
  readonly tree: DestinationTree;
  /** The directories of `linkDest`, `copyDest` or `compareDest` that exist, with the number by which the wire knows each. */
  readonly references: readonly Reference[];
  /** What is done with what is the same there. */
  readonly referenceUse: ReferenceUse;
  readonly attributes: Attributes;
  readonly privilege: Privilege;
  /** The only file of the transfer gets this name instead of its own. */
  readonly fileName: string | undefined;
}

/** `--link-dest`, `--copy-dest` or `--compare-dest`. */
export type ReferenceUse = "link" | "copy" | "compare";

/** A directory with files that may be the same: `--link-dest`, `--copy-dest`, `--compare-dest`. */
export interface Reference {
  readonly basis: number;
  readonly tree: DestinationTree;
}
