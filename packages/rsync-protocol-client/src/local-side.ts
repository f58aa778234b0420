import type {
  FileEntry,
  FileList,
  FileListDecoder,
  FilterRule,
  IdNames,
} from "@dialhome/rsync-protocol";
import { Deletion } from "./deletion.ts";
import { DestinationTree } from "./destination-tree.ts";
import { DirectoryWork } from "./directory-work.ts";
import { IncomingFiles } from "./incoming-files.ts";
import { LocalContent } from "./local-content.ts";
import type { LocalDestination } from "./local-destination.ts";
import { LocalEntries } from "./local-entries.ts";
import { LocalFilters } from "./local-filters.ts";
import { makeAttributes } from "./make-attributes.ts";
import { deletesLate } from "./phases.ts";
import { linkToLeader } from "./placement.ts";
import { openWorkplaces } from "./placement-options.ts";
import { privilegeOf } from "./privilege.ts";
import type { PullContext, Session } from "./pull-context.ts";
import type { OwnerHere } from "./pull-options.ts";
import type { PullSide } from "./pull-side.ts";
import { openReferences, referencesOf } from "./reference-directories.ts";
import { ReferenceFiles } from "./reference-files.ts";
import { Sweeps } from "./sweeps.ts";
import { XattrValues } from "./xattr-values.ts";

/**
 * A local tree as the place that a pull writes to.
 *
 * @param destination - is closed in the end
 * @param path - of the destination as it was given, where it is missing in a dry run
 * @param rules - filter rules as they hold here
 */
export function openLocalSide(
  session: Session,
  destination: LocalDestination,
  path: string | Buffer,
  rules: readonly FilterRule[],
  { names }: FileListDecoder,
): PullSide {
  const open: Disposable[] = [];
  const close = (): void => {
    for (const each of open.splice(0).toReversed()) each[Symbol.dispose]();
  };
  try {
    const side = putTogether(session, destination, path, rules, names, open);
    return { ...side, finish: close, abort: close };
  } catch (error) {
    close();
    throw error;
  }
}

/** @param open - gets what is to be closed in the end, in the order of opening */
function putTogether(
  session: Session,
  destination: LocalDestination,
  path: string | Buffer,
  rules: readonly FilterRule[],
  names: IdNames,
  open: Disposable[],
): Omit<PullSide, "finish" | "abort"> {
  const { options, tally, terms, comparison, wire } = session;
  const tree = new DestinationTree(destination.root, options.keepDirlinks === true);
  open.push(tree);
  const privilege = privilegeOf(options);
  const filters = new LocalFilters(tree, rules, options);
  const xattrs = options.xattrs
    ? new XattrValues(privilege, tree, filters.isXattrExcluded)
    : undefined;
  const attributes = makeAttributes(options, privilege, names, xattrs, tally, comparison);
  const { created } = destination;
  const ownerOf = (entry: FileEntry): OwnerHere => attributes.ownerOf(entry);
  options.onStep?.({ is: "destination", created, ownerOf });
  // Who only lists needs none of the places that these options name.
  const workplaces = openWorkplaces(tree, options.onListed ? {} : options);
  open.push(workplaces);
  const { backups, ...places } = workplaces;
  const { use: referenceUse, paths } = referencesOf(options);
  const missing = created && options.dryRun ? path : undefined;
  const references = openReferences(options.onListed ? [] : paths, tree, missing, (left) => {
    const text = `--${referenceUse}-dest arg does not exist: ${left}`;
    tally.message({ level: "warning", text, fromPeer: false });
  });
  for (const reference of references) open.push(reference.tree);
  const context: PullContext = {
    ...session,
    ...places,
    backups,
    tree,
    references,
    referenceUse,
    attributes,
    xattrs,
    privilege,
    fileName: destination.fileName,
    linkToLeader: (job, leader) => linkToLeader(context, job, leader, true),
  };
  const directories = new DirectoryWork(tree, attributes, tally, options, created, backups);
  const deletion = new Deletion(tree, tally, wire, filters, options, backups);
  const sweeps = new Sweeps(context, directories, deletion);
  const incoming = new IncomingFiles(context, deletion);
  return {
    context,
    entries: new LocalEntries(context, directories, deletion, sweeps, new ReferenceFiles(context)),
    content: new LocalContent(context, incoming),
    listFinished(list: FileList): void {
      // Late deletes would change the times that directories get.
      if (terms.format.incRecurse && !deletesLate(options)) directories.listFinished(list);
    },
    async end(first: FileList): Promise<void> {
      await incoming.releaseDelayed();
      context.reports.end();
      await sweeps.end(first);
      deletion.finish();
      directories.finishAll();
    },
  };
}
