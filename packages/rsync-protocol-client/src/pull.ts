import { getHeapStatistics } from "node:v8";
import {
  asRsyncError,
  createNdxCodec,
  entryOrderOf,
  type FileList,
  FileListDecoder,
  FileLists,
  FilterChain,
  NDX,
  Wire,
  writeFilterList,
} from "@dialhome/rsync-protocol";
import { assertOptions } from "./check-options.ts";
import { Deletion } from "./deletion.ts";
import { nowhere, openDestination } from "./destination.ts";
import { DestinationTree } from "./destination-tree.ts";
import { DirectoryWork } from "./directory-work.ts";
import { dropEmptyDirectories } from "./empty-directories.ts";
import { entryChanges } from "./entry-changes.ts";
import { EntryReports } from "./entry-reports.ts";
import { Generator } from "./generator.ts";
import { HardLinkGroups } from "./hard-link-groups.ts";
import { ListChecks } from "./list-checks.ts";
import { ListProgress, type ListWork } from "./list-progress.ts";
import { readFileList } from "./list-reader.ts";
import { LocalFilters } from "./local-filters.ts";
import { makeAttributes } from "./make-attributes.ts";
import { openSession } from "./open-session.ts";
import { deletesLate, runBoth, tellDeleted } from "./phases.ts";
import { giveUp } from "./placement.ts";
import { backupDirectoryOf, keepsBackups, openWorkplaces } from "./placement-options.ts";
import { privilegeOf } from "./privilege.ts";
import type { PullContext } from "./pull-context.ts";
import type { PullOptions } from "./pull-options.ts";
import { type PullRules, readRules } from "./pull-rules.ts";
import { Receiver } from "./receiver.ts";
import { openReferences, referencesOf } from "./reference-directories.ts";
import { ReferenceFiles } from "./reference-files.ts";
import { hear } from "./sender-messages.ts";
import { offersIncRecursion } from "./server-command.ts";
import { makeSummary, nothingSent } from "./session-end.ts";
import { type SessionTerms, startSession } from "./session-start.ts";
import { StopTime } from "./stop-time.ts";
import type { PullSummary } from "./summary.ts";
import { Sweeps } from "./sweeps.ts";
import { Tally } from "./tally.ts";
import { TransferQueue } from "./transfer-queue.ts";
import { XattrValues } from "./xattr-values.ts";

/**
 * Pulls a tree from an rsync sender (a daemon, or `rsync --server --sender`) over any stream.
 *
 * Resolves when everything that could be transferred lies in the destination; what could not is told in the summary, whose
 * `exitCode` is then 23 or 24. Files get their names only when their content was verified; a pull that ends early leaves
 * whole files, old or new, and nothing else.
 *
 * @throws RsyncError with rsync(1)'s exit code, when the session itself failed
 */
export async function pull(given: PullOptions): Promise<PullSummary> {
  assertOptions(given);
  // As in rsync(1): a backup beside its original changes the time of the directory anyway.
  const omitsTimes = keepsBackups(given) && backupDirectoryOf(given) === undefined;
  const options = omitsTimes ? { ...given, omitDirTimes: true } : given;
  const rules = readRules(options);
  const wire = new Wire(options.stream, {
    timeoutMs: options.timeoutMs ?? 0,
    ...(options.signal ? { signal: options.signal } : {}),
  });
  let protocol = 0;
  using _stop = new StopTime(wire, options.stopAtMs);
  try {
    protocol = await openSession(wire, options);
    const terms = await startSession(wire, protocol, options, offersIncRecursion(options));
    return await transfer(wire, terms, options, rules);
  } catch (error) {
    const failure = asRsyncError(error);
    // The sender is told; where the connection is gone, this does nothing.
    if (protocol >= 31 && failure.code !== "ERR_RSYNC_PEER_EXIT") wire.farewell(failure.exitCode);
    throw failure;
  } finally {
    wire.end();
    wire.release();
  }
}

/** The session from the first frame on. */
async function transfer(
  wire: Wire,
  terms: SessionTerms,
  options: PullOptions,
  rules: PullRules,
): Promise<PullSummary> {
  const tally = new Tally(options.onMessage, options.onProgress);
  const transfers = new TransferQueue();
  let lost: (ndx: number) => void = (ndx) => transfers.refuse(ndx);
  // Removing needs messages to the sender, for which there are frames in old protocols too.
  const isFramed = terms.traits.framesBothWays || options.removeSourceFiles === true;
  if (isFramed) wire.startMultiplexing();
  wire.startDemultiplexing((message) => {
    hear(wire, tally, message, (ndx) => lost(ndx));
  });
  options.onStep?.({
    is: "listing",
    incremental: terms.format.incRecurse,
    checksum: terms.checksum.name,
  });
  const sent = rules.sent(terms.protocol);
  writeFilterList(wire.out, sent);
  // Only since protocol 31 such names come in the frames around them.
  const isBare = isFramed && options.filesFrom !== undefined && terms.protocol < 31;
  if (isBare) wire.stopMultiplexing();
  sendNames(wire, options.filesFrom);
  if (isBare) wire.startMultiplexing();
  wire.flush();

  const checks = new ListChecks(options);
  const lists = new FileLists(
    terms.format.incRecurse,
    options.maxListBytes ?? defaultListBytes(),
    entryOrderOf(terms.protocol),
  );
  const decoder = new FileListDecoder(terms.format);
  const changeEntry = entryChanges(options);
  const first = await readFileList(
    wire,
    decoder,
    terms.format,
    lists,
    tally,
    undefined,
    checks,
    changeEntry,
  );
  options.onStep?.({ is: "listed", entries: first.wire.length });
  if (first.wire.length === 0) return nothingSent(wire, terms, tally, options, sent);
  if (options.pruneEmptyDirs) {
    dropEmptyDirectories(first, new FilterChain(rules.local, { side: "receiver" }));
  }

  const destination = options.onListed
    ? nowhere()
    : openDestination(options.destination, first, options);
  options.onStep?.({ is: "destination", created: destination.created });
  using tree = new DestinationTree(destination.root, options.keepDirlinks === true);
  using workplaces = openWorkplaces(tree, options);
  const { use: referenceUse, paths: otherPaths } = referencesOf(options);
  const isMissing = destination.created && options.dryRun === true;
  const missing = isMissing ? options.destination : undefined;
  const references = openReferences(otherPaths, tree, missing, (path) => {
    const text = `--${referenceUse}-dest arg does not exist: ${path}`;
    tally.message({ level: "warning", text, fromPeer: false });
  });
  try {
    const privilege = privilegeOf(options);
    const xattrs = options.xattrs ? new XattrValues(privilege, tree) : undefined;
    const attributes = makeAttributes(
      terms.protocol,
      options,
      privilege,
      decoder.names,
      xattrs,
      tally,
    );
    const { backups, ...places } = workplaces;
    const directories = new DirectoryWork(
      tree,
      attributes,
      tally,
      options,
      destination.created,
      backups,
    );
    const filters = new LocalFilters(tree, rules.local, options);
    const deletion = new Deletion(tree, tally, wire, filters, options, backups);
    const ndx = createNdxCodec(terms.protocol);
    const onFinished = ({ list }: ListWork): void => {
      // Late deletes would change the times that directories get.
      if (terms.format.incRecurse && !deletesLate(options)) directories.listFinished(list);
    };
    const { tellsUnsent } = terms.traits;
    const progress = new ListProgress(lists, wire, ndx, onFinished, tellsUnsent);
    const context: PullContext = {
      options,
      wire,
      terms,
      lists,
      progress,
      ndx,
      tree,
      references,
      referenceUse,
      attributes,
      xattrs,
      privilege,
      changeEntry,
      tally,
      reports: new EntryReports(options, terms.format.incRecurse),
      hardLinks: new HardLinkGroups(),
      transfers,
      again: [],
      fileName: destination.fileName,
      backups,
      ...places,
    };
    lost = (refused) => giveUp(context, transfers.refuse(refused).job);
    beginWithList(context, first);
    const sweeps = new Sweeps(context, directories, deletion);
    const generator = new Generator(
      context,
      directories,
      deletion,
      sweeps,
      new ReferenceFiles(context),
    );
    const receiver = new Receiver(context, decoder, deletion, checks);
    const server = await runBoth(context, generator, receiver);
    await receiver.releaseDelayed();
    context.reports.end();
    await sweeps.end(first);
    deletion.finish();
    directories.finishAll();
    if (deletesLate(options)) tellDeleted(context);
    await receiver.readGoodbye();
    ndx.write(wire.out, NDX.DONE);
    wire.flush();
    tally.progress(wire.bytesRead, true);
    return makeSummary(wire, terms, tally, server);
  } finally {
    for (const reference of references) reference.tree[Symbol.dispose]();
  }
}

/** A process that runs out of heap is gone, whatever else it does: lists may have half of it. */
function defaultListBytes(): number {
  return Math.floor(getHeapStatistics().heap_size_limit / 2);
}

/** `--files-from`: the names follow the filter rules; an empty one ends them. */
function sendNames(wire: Wire, filesFrom: PullOptions["filesFrom"]): void {
  if (filesFrom === undefined || "remote" in filesFrom) return;
  for (const name of filesFrom.names) wire.out.latin1(`${name}\0`);
  wire.out.byte(0);
}

/** The first list is there; without incremental recursion it is the only one. */
function beginWithList(context: PullContext, first: FileList): void {
  context.progress.add(first);
  if (context.terms.format.incRecurse) return;
  context.tally.listComplete = true;
  context.progress.endOfLists();
}
