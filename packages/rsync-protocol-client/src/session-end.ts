import { EXIT, RsyncError, type ServerStatistics, TAG, type Wire } from "@dialhome/rsync-protocol";
import type { PullOptions } from "./pull-options.ts";
import type { SessionTerms } from "./session-start.ts";
import type { PullSummary } from "./summary.ts";
import type { Tally } from "./tally.ts";

/** How long a server that has all it needs may take to leave, ms. */
const SERVER_END_MS = 5_000;

/**
 * Waits until the server has ended its side; not for ever, and whatever happens to the connection. rsync(1) keeps its own side open
 * until then, and openrsync's server takes an end that comes before its own for data that it has not read.
 */
export async function serverEnd(wire: Wire): Promise<void> {
  const timer = setTimeout(() => {
    wire.fail(new RsyncError("ERR_RSYNC_TIMEOUT", "the server does not end"));
  }, SERVER_END_MS);
  await wire.drainInput();
  clearTimeout(timer);
}

/** The sender had nothing to list, and told why; it does not wait for an answer. */
export function nothingSent(
  wire: Wire,
  terms: SessionTerms,
  tally: Tally,
  options: PullOptions,
  rules: readonly string[],
): PullSummary {
  if (terms.traits.tellsErrorExit) wire.intMessage(TAG.ERROR_EXIT, EXIT.PARTIAL);
  // A list of files may be empty, and without these two a directory is passed over.
  const mayBeEmpty =
    rules.length > 0 ||
    options.ignoreMissingArgs === true ||
    options.deleteMissingArgs === true ||
    options.filesFrom !== undefined ||
    (!options.recursive && !options.dirs);
  if (tally.problems.length === 0 && tally.ioError === 0 && !mayBeEmpty) {
    throw new RsyncError("ERR_RSYNC_FILE", "the sender has nothing under that path", {
      exitCode: EXIT.PARTIAL,
    });
  }
  return makeSummary(wire, terms, tally, undefined);
}

export function makeSummary(
  wire: Wire,
  terms: SessionTerms,
  tally: Tally,
  server: ServerStatistics | undefined,
): PullSummary {
  return {
    exitCode: tally.exitCode,
    protocol: terms.protocol,
    checksum: terms.checksum.name,
    compression: terms.compression,
    listed: tally.listed,
    created: tally.created,
    deleted: tally.deleted,
    transferredFiles: tally.transferredFiles,
    totalBytes: tally.totalBytes,
    transferredBytes: tally.transferredBytes,
    literalBytes: tally.literalBytes,
    matchedBytes: tally.matchedBytes,
    listBytes: tally.listBytes,
    bytesSent: wire.bytesWritten,
    bytesReceived: wire.bytesRead,
    server,
    problems: tally.problems,
  };
}
