import {
  clientCapabilities,
  escapeServerPath,
  formatChecksumChoice,
  formatServerArguments,
  PROTOCOL,
  type ServerOptions,
  traitsOf,
} from "@dialhome/rsync-protocol";
import { deleteTime } from "./delete-time.ts";
import type { TransferOptions } from "./pull-options.ts";
import { choiceOf } from "./session-start.ts";

/**
 * The arguments of the `rsync --server --sender` that serves a pull with these options, without the program's name. A sender only
 * learns what it needs: nothing of deletes, of `linkDest`, of what happens to attributes here.
 *
 * @param paths - latin1, taken literally; for a daemon with the module's name in front
 */
export function serverArguments(
  options: TransferOptions & { readonly listOnly?: boolean },
  paths: readonly string[],
): string[] {
  return formatServerArguments(serverOptions(options), paths.map(escapeServerPath));
}

/** The same without the `.` and the paths at the end: for a shell, which has rules of its own for them. */
export function serverArgumentsOfShell(
  options: TransferOptions & { readonly listOnly?: boolean },
): string[] {
  return formatServerArguments(serverOptions(options), []).slice(0, -1);
}

/** The same for a daemon that is to expand wildcards. */
export function serverArgumentsWithWildcards(
  options: TransferOptions & { readonly listOnly?: boolean },
  paths: readonly string[],
): string[] {
  return formatServerArguments(serverOptions(options), paths);
}

function serverOptions(
  options: TransferOptions & { readonly listOnly?: boolean },
): Partial<ServerOptions> {
  const { filesFrom } = options;
  return {
    checksumSeed: options.checksumSeed || undefined,
    verbose: Math.min(9, options.verbose ?? 0),
    recursive: options.recursive === true,
    dirs: options.dirs === true,
    links: options.links === true,
    hardLinks: options.hardLinks === true,
    perms: options.perms === true,
    acls: options.acls === true,
    xattrs: options.xattrs ? 1 : 0,
    times: options.times === true,
    owner: options.owner === true,
    group: options.group === true,
    devices: options.devices === true,
    specials: options.specials === true,
    sparse: options.sparse === true,
    numericIds: options.numericIds === true,
    oneFileSystem: options.oneFileSystem ? 1 : 0,
    checksum: options.checksum === true,
    ignoreTimes: options.ignoreTimes === true,
    update: options.update === true,
    wholeFile: options.wholeFile === true,
    dryRun: options.dryRun === true,
    listOnly: options.listOnly === true,
    checksumChoice:
      options.checksumChoice && formatChecksumChoice(choiceOf(options.checksumChoice)),
    inplace: options.inplace === true && !options.append,
    append: appendCount(options.append),
    ...compressArguments(options),
    blockSize: options.blockSize,
    cvsExclude: options.cvsExclude === true,
    copyLinks: options.copyLinks === true,
    copyDirlinks: options.copyDirlinks === true,
    copyUnsafeLinks: options.copyUnsafeLinks === true,
    safeLinks: options.safeLinks === true,
    ignoreMissingArgs: options.ignoreMissingArgs === true && !options.deleteMissingArgs,
    deleteMissingArgs: options.deleteMissingArgs === true,
    removeSourceFiles: options.removeSourceFiles === true,
    bwlimit: options.bwlimit || undefined,
    capabilities: traitsOf(options.protocol ?? PROTOCOL.MAX).hasCompatFlags
      ? clientCapabilities(offersIncRecursion(options))
      : "",
    relative: options.relative === true,
    impliedDirs: options.relative !== true || options.impliedDirs !== false,
    ...(filesFrom === undefined
      ? {}
      : "remote" in filesFrom
        ? { filesFrom: filesFrom.remote, from0: filesFrom.from0 }
        : { filesFrom: "-", from0: true }),
  };
}

/** A choice replaces `-z`, but that for zlib, which older servers do not know by name. */
function compressArguments(options: TransferOptions): Partial<ServerOptions> {
  const { compress, compressChoice, compressLevel, skipCompress } = options;
  return {
    compress: compressChoice === undefined ? compress === true : compressChoice === "zlib",
    compressChoice,
    compressLevel,
    skipCompress,
  };
}

/** Incremental recursion needs recursion; and what looks at the whole list before anything else cannot be done with it. */
export function offersIncRecursion(options: TransferOptions): boolean {
  if (options.recursive !== true || options.incRecursive === false) return false;
  const deletes = deleteTime(options);
  return (
    deletes !== "before" && deletes !== "after" && !options.pruneEmptyDirs && !options.delayUpdates
  );
}

function appendCount(append: TransferOptions["append"]): number {
  if (append === "verify") return 2;
  return append ? 1 : 0;
}
