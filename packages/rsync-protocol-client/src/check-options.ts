import { existsSync } from "node:fs";
import { OpenXattrs } from "@dialhome/posix-fs";
import { LIMITS, PROTOCOL, RsyncError } from "@dialhome/rsync-protocol";
import { assertDestination } from "./check-destination.ts";
import { parseChmod } from "./chmod-rules.ts";
import { deleteTime } from "./delete-time.ts";
import { MUNGED } from "./entry-changes.ts";
import { parseIdMap } from "./id-maps.ts";
import { backupDirectoryOf } from "./placement-options.ts";
import type { PullOptions } from "./pull-options.ts";
import { choiceOf } from "./session-start.ts";

/**
 * Refuses options that make no sense, before anything is sent or touched: what goes into a line of the handshake must not end
 * it, and nothing may be deleted without a complete list.
 * @throws RsyncError `ERR_RSYNC_OPTION`, exit code 1
 */
export function assertOptions(options: PullOptions): void {
  const { source, protocol, blockSize, modifyWindow } = options;
  assertDestination(options);
  if (protocol !== undefined && !isWithin(protocol, PROTOCOL.MIN, PROTOCOL.MAX)) {
    throw wrong(`protocol ${protocol}: only ${PROTOCOL.MIN} to ${PROTOCOL.MAX} are spoken`);
  }
  if (blockSize !== undefined && !isWithin(blockSize, 1, LIMITS.blockBytes)) {
    throw wrong(`block size ${blockSize}: 1 to ${LIMITS.blockBytes} bytes`);
  }
  if (
    options.checksum &&
    options.checksumChoice &&
    choiceOf(options.checksumChoice).list === "none"
  ) {
    const message = "checksum needs another type than none for the list";
    throw new RsyncError("ERR_RSYNC_UNSUPPORTED", message);
  }
  const { checksumSeed } = options;
  if (checksumSeed !== undefined && !isWithin(checksumSeed, -(2 ** 31), 2 ** 31 - 1)) {
    throw wrong(`checksum seed ${checksumSeed}: a number of 32 bits`);
  }
  if (modifyWindow !== undefined && !isWithin(modifyWindow, -1, MAX_WINDOW)) {
    throw wrong(`modify window ${modifyWindow}: -1 to ${MAX_WINDOW} seconds`);
  }
  if (options.maxListBytes !== undefined && !isWithin(options.maxListBytes, 1, Infinity)) {
    throw wrong(`at most ${options.maxListBytes} bytes of lists`);
  }
  const { compressLevel, compressNames, skipCompress } = options;
  if (compressLevel !== undefined && !isWithin(compressLevel, -(2 ** 31), 2 ** 31 - 1)) {
    throw wrong(`compress level ${compressLevel}: a whole number of 32 bits`);
  }
  if (compressNames?.length === 0) throw wrong("no compression is offered");
  if (skipCompress?.includes("\0")) throw wrong("a suffix has no NUL");
  const listsDirectories = options.recursive || options.dirs || options.filesFrom !== undefined;
  if (deleteTime(options) && !listsDirectories) {
    throw wrong("delete needs recursive, dirs or filesFrom: otherwise no directory has a list");
  }
  const others = [options.linkDest, options.copyDest, options.compareDest].filter(
    (directories) => directories !== undefined && directories.length > 0,
  );
  if (others.length > 1) throw wrong("only one of link-dest, copy-dest and compare-dest is taken");
  if ((others[0]?.length ?? 0) > MAX_OTHERS) {
    throw wrong(`more than ${MAX_OTHERS} directories to compare files with`);
  }
  assertPlacement(options);
  for (const [name, value] of Object.entries({
    bwlimit: options.bwlimit,
    maxSize: options.maxSize,
    minSize: options.minSize,
    maxDelete: options.maxDelete,
  })) {
    if (value !== undefined && !isWithin(value, 0, Number.MAX_SAFE_INTEGER)) {
      throw wrong(`${name} ${value}: a whole number from 0 on`);
    }
  }
  assertMetadataOptions(options);
  if (source.kind === "server") return;
  if (!/^[^/\r\n\0#@][^/\r\n\0]*$/.test(source.module)) throw wrong("that is no name of a module");
  if (/[\s\0]/.test(source.user ?? "")) throw wrong("a user name has no white space");
  for (const path of source.paths) if (path.includes("\0")) throw wrong("a path has no NUL");
}

function assertMetadataOptions(options: PullOptions): void {
  const { acls, xattrs, fakeSuper, perms, owner, group } = options;
  if (options.chmod !== undefined) parseChmod(options.chmod, 0);
  if (options.userMap !== undefined) parseIdMap(options.userMap, "usermap");
  if (options.groupMap !== undefined) parseIdMap(options.groupMap, "groupmap");
  if (acls && !perms) throw wrong("acls needs perms, which are a part of every list");
  if (options.userMap !== undefined && !owner) throw wrong("a user map needs owner");
  if (options.groupMap !== undefined && !group) throw wrong("a group map needs group");
  if ((acls || xattrs || fakeSuper) && !OpenXattrs.supported) {
    throw new RsyncError(
      "ERR_RSYNC_UNSUPPORTED",
      "extended attributes cannot be set: koffi is not installed or does not run here",
    );
  }
  if (options.mungeLinks && existsSync(MUNGED)) {
    throw new RsyncError(
      "ERR_RSYNC_UNSUPPORTED",
      `symbolic links cannot be munged where there is a directory ${MUNGED}`,
    );
  }
}

/** Options that say where files are written, and exclude each other as in rsync(1). */
function assertPlacement(options: PullOptions): void {
  const inPlace = options.append ? "append" : options.inplace ? "inplace" : undefined;
  if (inPlace && options.delayUpdates) throw wrong(`${inPlace} does not go with delay-updates`);
  if (inPlace && options.partialDir !== undefined) {
    throw wrong(`${inPlace} does not go with partial-dir`);
  }
  if (options.append && options.wholeFile) throw wrong("append does not go with whole-file");
  if (options.append && options.contentDigest) {
    throw wrong("append does not go with a digest of the content: not all of it passes");
  }
  if (options.suffix?.includes("/")) throw wrong("suffix cannot contain slashes");
  if (options.suffix === "" && backupDirectoryOf(options) === undefined) {
    throw wrong("suffix cannot be empty without a backup-dir");
  }
}

/** rsync(1) takes 20 alternate directories. */
const MAX_OTHERS = 20;
/** A day, which covers every clock that is merely wrong. */
const MAX_WINDOW = 86_400;

function isWithin(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

function wrong(message: string): RsyncError {
  return new RsyncError("ERR_RSYNC_OPTION", message);
}
