import type { FileStat } from "@dialhome/posix-fs";
import { type FileEntry, ITEM, isDevice, isSymlink } from "@dialhome/rsync-protocol";
import { nameBytes } from "./destination-tree.ts";
import { fail, leaveAsIs, succeed } from "./entry-results.ts";
import { isLinkTo, makeStandIn } from "./fake-super.ts";
import type { Job } from "./hard-link-groups.ts";
import { type Place, pathOf, placeOf, replaceAtomically } from "./placement.ts";
import type { PullContext } from "./pull-context.ts";
import type { ReferenceFiles } from "./reference-files.ts";
import type { XattrRequests } from "./xattr-requests.ts";

/** What is neither a file nor a directory: symbolic links, devices, named pipes and sockets. */
export class Nodes {
  readonly #context: PullContext;
  readonly #references: ReferenceFiles;
  readonly #xattrs: XattrRequests;

  constructor(context: PullContext, references: ReferenceFiles, xattrs: XattrRequests) {
    this.#context = context;
    this.#references = references;
    this.#xattrs = xattrs;
  }

  /**
   * A symbolic link, a device, a named pipe or a socket.
   * @param hasMadeWay - a directory was in its place: as in rsync(1), nobody then looks for it in reference directories
   */
  decide(job: Job, stat: FileStat | undefined, hasMadeWay: boolean): void {
    const { entry } = job;
    const { options, attributes, tree, fileName } = this.#context;
    let known = job;
    if (!stat && !hasMadeWay && this.#context.references.length > 0) {
      const found = this.#references.findNode(entry);
      const { referenceUse } = this.#context;
      const isSame = found?.level === "same";
      if (isSame && referenceUse === "compare") {
        leaveAsIs(this.#context, job, "same elsewhere");
        return;
      }
      if (isSame && referenceUse === "link" && this.#references.link(job, found)) return;
      if (found) {
        const made = found.changes | ITEM.LOCAL_CHANGE | (isSame ? 0 : ITEM.REPORT_CHANGE);
        const against = isSame && referenceUse !== "copy" ? 0 : made;
        known = { ...job, against };
      }
    }
    try {
      // In a dry run its directory may not be there, and nothing needs it.
      const place = options.dryRun && !stat ? undefined : placeOf(this.#context, entry);
      const same = stat && place && (stat.mode & 0o170000) === (entry.mode & 0o170000);
      const differs =
        !same ||
        (isSymlink(entry) && !this.#isLinkTo(place, entry.linkTarget ?? "")) ||
        (isDevice(entry) &&
          (stat.rdevMajor !== entry.rdevMajor || stat.rdevMinor !== entry.rdevMinor));
      let changes = same
        ? attributes.differences(entry, stat, tree, fileName)
        : ITEM.IS_NEW | attributes.ofNew(entry);
      if (differs) changes |= ITEM.LOCAL_CHANGE | ITEM.REPORT_CHANGE;
      const finish = (): undefined => {
        this.#finishNode(known, same ? stat : undefined, differs, changes);
      };
      if (!this.#xattrs.sendForMissing(job, changes, !differs, finish)) finish();
    } catch (error) {
      fail(this.#context, job, "cannot make", error);
    }
  }

  #finishNode(job: Job, stat: FileStat | undefined, differs: boolean, changes: number): void {
    const { entry } = job;
    const { options, attributes } = this.#context;
    let told = changes;
    try {
      if (!options.dryRun && (differs || changes !== 0 || attributes.writesDown)) {
        const place = placeOf(this.#context, entry);
        if (differs) this.#makeNode(entry, place);
        else if (stat) attributes.applyByName(place, entry, stat);
        attributes.placed(entry);
        if (stat && !differs) told = attributes.toldAfterwards(entry, stat, changes);
      }
      if (job.against !== undefined) {
        const isSame = (job.against & ~ITEM.LOCAL_CHANGE) === 0;
        succeed(this.#context, job, isSame ? "unchanged" : "updated", job.against);
        return;
      }
      succeed(this.#context, job, stat ? (differs ? "updated" : "unchanged") : "new", told);
    } catch (error) {
      fail(this.#context, job, "cannot make", error);
    }
  }

  #isLinkTo({ directory, name }: Place, target: string): boolean {
    return isLinkTo(directory, name, target, this.#context.privilege === "fake");
  }

  #makeNode(entry: FileEntry, place: Place): void {
    const { attributes, privilege } = this.#context;
    const { directory } = place;
    this.#context.backups?.keep(pathOf(this.#context, entry), "link");
    replaceAtomically(place, (temporary) => {
      const target = nameBytes(entry.linkTarget ?? "");
      if (privilege === "fake") makeStandIn(directory, temporary, target);
      else if (isSymlink(entry)) directory.symlink(target, temporary);
      else directory.mknod(temporary, entry.mode, entry.rdevMajor, entry.rdevMinor);
      const made = attributes.lstat(directory, temporary);
      if (made) attributes.applyByName({ directory, name: temporary }, entry, made, "all");
    });
  }
}
