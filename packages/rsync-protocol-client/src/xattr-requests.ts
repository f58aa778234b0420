import {
  BASIS,
  type FileEntry,
  ITEM,
  NO_SUMS,
  writeItem,
  writeXattrRequest,
} from "@dialhome/rsync-protocol";
import type { Job } from "./hard-link-groups.ts";
import { type Place, placeOf } from "./placement.ts";
import type { PullContext } from "./pull-context.ts";

/** `ITEM` bits that tell how an entry differs. */
export const REPORT_BITS = 0x1ff;

/** Asks for the values of extended attributes. */
export class XattrRequests {
  readonly #context: PullContext;

  constructor(context: PullContext) {
    this.#context = context;
  }

  /** `ITEM` bits of an entry that is not here. */
  ofNew(entry: FileEntry): number {
    return this.#context.attributes.ofNew(entry);
  }

  /**
   * Asks for what is missing of an entry's extended attributes, where its content needs not be sent.
   *
   * @param at - a file whose attributes were compared with the entry's
   * @param resume - goes on with the entry when they have come
   * @returns false when nothing is missing: then `resume` is not called
   */
  sendForXattrs(
    job: Job,
    changes: number,
    at: Place | undefined,
    resume: () => Promise<void> | undefined,
  ): boolean {
    const { attributes, xattrs, options, transfers, wire, ndx } = this.#context;
    const set = job.entry.xattrs;
    if (!xattrs || !set || options.dryRun || !(changes & ITEM.REPORT_XATTR)) return false;
    const lacking = attributes.lackingXattrs(job.entry, at);
    if (xattrs.areHere(set, lacking)) return false;
    const flags = changes & REPORT_BITS;
    transfers.add({
      job,
      flags,
      basis: BASIS.FILE,
      sums: NO_SUMS,
      redo: false,
      append: false,
      phase: 0,
      resume,
    });
    writeItem(wire.out, ndx, { ndx: job.ndx, flags, basis: BASIS.FILE, xname: undefined });
    writeXattrRequest(wire.out, xattrs.ask(set, lacking));
    wire.pushFull();
    return true;
  }

  /**
   * As {@link sendForXattrs}, for an entry in its place.
   * @param isHere - what is in its place was compared with it
   */
  sendForMissing(
    job: Job,
    changes: number,
    isHere: boolean,
    resume: () => Promise<void> | undefined,
  ): boolean {
    if (!(changes & ITEM.REPORT_XATTR) || this.#context.options.dryRun) return false;
    // The root of the transfer has no name in a directory of the tree: all of its values are asked for.
    const at = isHere && job.entry.name !== "." ? placeOf(this.#context, job.entry) : undefined;
    return this.sendForXattrs(job, changes, at, resume);
  }

  /** Writes which values a request for an entry's content asks for. */
  ask({ entry }: Job, isNew: boolean): void {
    const { attributes, xattrs, wire } = this.#context;
    const at = isNew ? undefined : placeOf(this.#context, entry);
    const lacking = attributes.lackingXattrs(entry, at);
    writeXattrRequest(wire.out, xattrs?.ask(entry.xattrs ?? [], lacking) ?? []);
  }
}
