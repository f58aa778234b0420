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
  type Wire,
  writeFilterList,
} from "@dialhome/rsync-protocol";
import { Comparison } from "./comparison.ts";
import { withDeleteTime } from "./delete-time.ts";
import { isStore } from "./destination.ts";
import { dropEmptyDirectories } from "./empty-directories.ts";
import { entryChanges } from "./entry-changes.ts";
import { EntryReports } from "./entry-reports.ts";
import { giveUp } from "./entry-results.ts";
import { Generator } from "./generator.ts";
import { HardLinkGroups } from "./hard-link-groups.ts";
import { ListChecks } from "./list-checks.ts";
import { ListProgress } from "./list-progress.ts";
import { readFileList } from "./list-reader.ts";
import { nowhere, openDestination } from "./local-destination.ts";
import { openLocalSide } from "./local-side.ts";
import { deletesLate, runBoth, tellDeleted } from "./phases.ts";
import type { Session } from "./pull-context.ts";
import type { PullOptions } from "./pull-options.ts";
import type { PullRules } from "./pull-rules.ts";
import type { PullSide } from "./pull-side.ts";
import { Receiver } from "./receiver.ts";
import { hear } from "./sender-messages.ts";
import { makeSummary, nothingSent } from "./session-end.ts";
import type { SessionTerms } from "./session-start.ts";
import { openStoreSide } from "./store-side.ts";
import type { PullSummary } from "./summary.ts";
import { Tally } from "./tally.ts";
import { TransferQueue } from "./transfer-queue.ts";

/** A session whose first list has come. */
interface Begun {
  readonly session: Session;
  readonly decoder: FileListDecoder;
  readonly checks: ListChecks;
  readonly first: FileList;
}

/** The session from the first frame on. */
export async function runSession(
  wire: Wire,
  terms: SessionTerms,
  given: PullOptions,
  rules: PullRules,
): Promise<PullSummary> {
  const options = withDeleteTime(given, terms.traits);
  let side: PullSide | undefined;
  const onFinished = (list: FileList): void => side?.listFinished(list);
  const { session, ...begun } = await beginSession(wire, terms, options, rules, onFinished);
  const { first } = begun;
  if (first.wire.length === 0) {
    return nothingSent(wire, terms, session.tally, options, rules.sent(terms.protocol));
  }
  if (options.pruneEmptyDirs) {
    dropEmptyDirectories(first, new FilterChain(rules.local, { side: "receiver" }));
  }
  side = await openSide(session, begun, rules);
  let summary: PullSummary;
  try {
    summary = await transfer(session, begun, side);
  } catch (error) {
    await side.abort(asRsyncError(error));
    throw error;
  }
  await side.finish(summary);
  return summary;
}

/** Asks for the list, and reads the first one: all of it, but with incremental recursion. */
async function beginSession(
  wire: Wire,
  terms: SessionTerms,
  options: PullOptions,
  rules: PullRules,
  onFinished: (list: FileList) => void,
): Promise<Begun> {
  const tally = new Tally(options.onMessage, options.onProgress);
  const transfers = new TransferQueue();
  const { tellsUnsent } = terms.traits;
  const { incRecurse } = terms.format;
  const maxBytes = options.maxListBytes ?? defaultListBytes();
  const lists = new FileLists(incRecurse, maxBytes, entryOrderOf(terms.protocol));
  const ndx = createNdxCodec(terms.protocol);
  const session: Session = {
    options,
    wire,
    terms,
    lists,
    progress: new ListProgress(lists, wire, ndx, ({ list }) => onFinished(list), tellsUnsent),
    ndx,
    changeEntry: entryChanges(options),
    tally,
    comparison: new Comparison(options),
    reports: new EntryReports(options, incRecurse, terms.traits.repeatsItems),
    hardLinks: new HardLinkGroups(),
    transfers,
    again: [],
  };
  // Removing needs messages to the sender, for which there are frames in old protocols too.
  const isFramed = terms.traits.framesBothWays || options.removeSourceFiles === true;
  if (isFramed) wire.startMultiplexing();
  wire.startDemultiplexing((message) => {
    hear(wire, tally, message, (refused) => giveUp(session, transfers.refuse(refused).job));
  });
  const { protocol, checksum } = terms;
  options.onStep?.({ is: "listing", incremental: incRecurse, checksum: checksum.name, protocol });
  writeFilterList(wire.out, rules.sent(terms.protocol));
  const isBare = isFramed && options.filesFrom !== undefined && terms.traits.namesBesideFrames;
  if (isBare) wire.stopMultiplexing();
  sendNames(wire, options.filesFrom);
  if (isBare) wire.startMultiplexing();
  wire.flush();

  const checks = new ListChecks(options);
  const decoder = new FileListDecoder(terms.format);
  const { changeEntry } = session;
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
  return { session, decoder, checks, first };
}

/** Opens what the session writes to. */
async function openSide(
  session: Session,
  { decoder, first }: Omit<Begun, "session">,
  rules: PullRules,
): Promise<PullSide> {
  const { options } = session;
  const { destination, onListed, onStep } = options;
  if (!onListed && isStore(destination)) {
    onStep?.({ is: "destination", created: false, ownerOf: (entry) => entry });
    return openStoreSide(session, destination, rules.local, decoder);
  }
  const path = isStore(destination) ? "" : destination;
  const directory = onListed ? nowhere() : openDestination(path, first, options);
  return openLocalSide(session, directory, path, rules.local, decoder);
}

/** Both halves, from the first list to the last word. */
async function transfer(
  session: Session,
  { first, decoder, checks }: Omit<Begun, "session">,
  side: PullSide,
): Promise<PullSummary> {
  const { wire, terms, tally, options, ndx } = session;
  beginWithList(session, first);
  const generator = new Generator(session, side.entries);
  const receiver = new Receiver(side.context, side.content, decoder, checks);
  const server = await runBoth(session, generator, receiver);
  await side.end(first);
  if (deletesLate(options)) tellDeleted(session);
  await receiver.readGoodbye();
  ndx.write(wire.out, NDX.DONE);
  wire.flush();
  tally.progress(wire.bytesRead, true);
  return makeSummary(wire, terms, tally, server);
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
function beginWithList(session: Session, first: FileList): void {
  const { progress, terms, tally, options, hardLinks } = session;
  if (options.hardLinks) hardLinks.listed(first);
  progress.add(first);
  if (terms.format.incRecurse) return;
  tally.listComplete = true;
  progress.endOfLists();
}
