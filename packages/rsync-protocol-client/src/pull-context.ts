import type { FileLists, NdxCodec, SumHeader, Wire } from "@dialhome/rsync-protocol";
import type { Attributes } from "./attributes.ts";
import type { DestinationTree } from "./destination-tree.ts";
import type { ChangeEntry } from "./entry-changes.ts";
import type { EntryReports } from "./entry-reports.ts";
import type { HardLinkGroups, Job } from "./hard-link-groups.ts";
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

/** What the two halves of a pull share. */
export interface PullContext extends Omit<Workplaces, typeof Symbol.dispose> {
  readonly options: PullOptions;
  readonly wire: Wire;
  readonly terms: SessionTerms;
  readonly lists: FileLists;
  readonly progress: ListProgress;
  /** Index state of what is sent. */
  readonly ndx: NdxCodec;
  readonly tree: DestinationTree;
  /** The directories of `linkDest`, `copyDest` or `compareDest` that exist, with the number by which the wire knows each. */
  readonly references: readonly Reference[];
  /** What is done with what is the same there. */
  readonly referenceUse: ReferenceUse;
  readonly attributes: Attributes;
  /** With `-X`. */
  readonly xattrs: XattrValues | undefined;
  readonly privilege: Privilege;
  /** Gives entries of lists the form in which they are to be here; undefined leaves them. */
  readonly changeEntry: ChangeEntry | undefined;
  readonly tally: Tally;
  readonly reports: EntryReports;
  readonly hardLinks: HardLinkGroups;
  readonly transfers: TransferQueue;
  /** Files that the generator is to take up again: after a failed checksum, or when the leader of their group failed. */
  readonly again: (Job & { readonly redo: boolean })[];
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
