import type { CompressionName } from "@dialhome/rsync-protocol";
import type { TransferOptions } from "@dialhome/rsync-protocol-client";
import { deleteOptions } from "./delete-options.ts";
import type { Flag } from "./option-table.ts";
import type { RsyncSettings } from "./settings.ts";

/** The options of a pull that the command line asks for. */
export function transferOptions(settings: RsyncSettings): TransferOptions {
  const { flags, negated } = settings;
  return {
    recursive: flags.has("recursive"),
    // Where nothing is said, a list of files implies it.
    ...(flags.has("dirs") || negated.has("dirs") ? { dirs: flags.has("dirs") } : {}),
    relative: flags.has("relative"),
    verbose: settings.verbose,
    impliedDirs: flags.has("impliedDirs"),
    links: flags.has("links"),
    hardLinks: flags.has("hardLinks"),
    perms: flags.has("perms") || flags.has("acls"),
    times: flags.has("times"),
    owner: flags.has("owner") || settings.userMap !== undefined,
    group: flags.has("group") || settings.groupMap !== undefined,
    devices: flags.has("devices"),
    specials: flags.has("specials"),
    acls: flags.has("acls"),
    xattrs: flags.has("xattrs"),
    executability: flags.has("executability"),
    omitDirTimes: flags.has("omitDirTimes"),
    omitLinkTimes: flags.has("omitLinkTimes"),
    fakeSuper: flags.has("fakeSuper"),
    safeLinks: flags.has("safeLinks"),
    mungeLinks: flags.has("mungeLinks"),
    ...defined("super", superOf(flags)),
    ...defined("chmod", settings.chmod),
    ...defined("userMap", settings.userMap),
    ...defined("groupMap", settings.groupMap),
    sparse: flags.has("sparse"),
    numericIds: flags.has("numericIds"),
    oneFileSystem: flags.has("oneFileSystem"),
    checksum: flags.has("checksum"),
    ignoreTimes: flags.has("ignoreTimes"),
    sizeOnly: flags.has("sizeOnly"),
    update: flags.has("update"),
    existing: flags.has("existing"),
    ignoreExisting: flags.has("ignoreExisting"),
    wholeFile: flags.has("wholeFile"),
    dryRun: flags.has("dryRun"),
    ...deleteOptions(settings),
    cvsExclude: flags.has("cvsExclude"),
    force: flags.has("force"),
    ignoreErrors: flags.has("ignoreErrors"),
    copyLinks: flags.has("copyLinks"),
    copyDirlinks: flags.has("copyDirlinks"),
    copyUnsafeLinks: flags.has("copyUnsafeLinks"),
    ignoreMissingArgs: flags.has("ignoreMissingArgs"),
    deleteMissingArgs: flags.has("deleteMissingArgs"),
    removeSourceFiles: flags.has("removeSourceFiles"),
    keepDirlinks: flags.has("keepDirlinks"),
    partial: flags.has("partial"),
    delayUpdates: flags.has("delayUpdates"),
    inplace: flags.has("inplace"),
    append: flags.has("appendVerify") ? "verify" : flags.has("append"),
    backup: flags.has("backup"),
    pruneEmptyDirs: flags.has("pruneEmptyDirs"),
    mkpath: flags.has("mkpath"),
    fsync: flags.has("fsync"),
    incRecursive: flags.has("incRecursive"),
    linkDest: settings.linkDest,
    copyDest: settings.copyDest,
    compareDest: settings.compareDest,
    filterRules: settings.filterRules,
    ...defined("blockSize", settings.blockSize || undefined),
    ...defined("checksumSeed", settings.checksumSeed),
    ...defined("checksumChoice", settings.checksumChoice),
    compress: settings.compress > 0,
    ...defined("compressChoice", compressChoice(settings)),
    ...defined("compressLevel", settings.compressLevel),
    ...defined("skipCompress", settings.skipCompress),
    ...defined("modifyWindow", settings.modifyWindow),
    ...defined("maxDelete", settings.maxDelete),
    ...defined("partialDir", settings.partialDir),
    ...defined("tempDir", settings.tempDir),
    ...defined("backupDir", settings.backupDir),
    ...defined("suffix", settings.suffix),
    ...defined("bwlimit", settings.bwlimit),
    ...defined("maxSize", settings.maxSize),
    ...defined("minSize", settings.minSize),
    ...defined("protocol", settings.protocol),
  };
}

function superOf(flags: ReadonlySet<Flag>): boolean | undefined {
  if (flags.has("super")) return true;
  return flags.has("noSuper") ? false : undefined;
}

/** `-zz` is how older versions asked for zlibx; a choice by name goes before it. */
function compressChoice(settings: RsyncSettings): CompressionName | undefined {
  return settings.compressChoice ?? (settings.compress > 1 ? "zlibx" : undefined);
}

function defined<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): Partial<Record<Name, Value>> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the one property, or none
  return (value === undefined ? {} : { [name]: value }) as Partial<Record<Name, Value>>;
}
