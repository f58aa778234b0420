/**
 * What the command line of a sending rsync server says: `rsync --server --sender -logDtpre.iLsfxCIvu … . PATH…`.
 * A count tells how often a letter was given. Names are those of rsync(1)'s long options.
 */
export interface ServerOptions {
  /** `--sender`: the server has the files. Without it the client wants to push. */
  sender: boolean;
  recursive: boolean;
  /** `-d`: list the directories named, and what a trailing slash shows of them, without recursion. */
  dirs: boolean;
  links: boolean;
  copyLinks: boolean;
  copyDirlinks: boolean;
  copyUnsafeLinks: boolean;
  safeLinks: boolean;
  hardLinks: boolean;
  owner: boolean;
  group: boolean;
  devices: boolean;
  specials: boolean;
  times: boolean;
  atimes: number;
  crtimes: boolean;
  perms: boolean;
  acls: boolean;
  xattrs: number;
  checksum: boolean;
  cvsExclude: boolean;
  ignoreTimes: boolean;
  relative: boolean;
  impliedDirs: boolean;
  oneFileSystem: number;
  sparse: boolean;
  update: boolean;
  backup: boolean;
  wholeFile: boolean;
  dryRun: boolean;
  compress: boolean;
  verbose: number;
  quiet: boolean;
  /** `-s`: a second list of arguments follows the first. */
  secludedArgs: boolean;
  numericIds: boolean;
  ignoreErrors: boolean;
  ignoreMissingArgs: boolean;
  deleteMissingArgs: boolean;
  listOnly: boolean;
  removeSourceFiles: boolean;
  inplace: boolean;
  /** 1 for `--append`, 2 for `--append-verify`. */
  append: number;
  copyDevices: boolean;
  openNoatime: boolean;
  qsort: boolean;
  from0: boolean;
  filesFrom: string | undefined;
  iconv: string | undefined;
  backupDir: string | undefined;
  suffix: string | undefined;
  checksumChoice: string | undefined;
  compressChoice: string | undefined;
  compressLevel: number | undefined;
  skipCompress: string | undefined;
  checksumSeed: number | undefined;
  /** Seconds; 0 means none. */
  timeout: number | undefined;
  /** KiB per second; 0 means no limit. */
  bwlimit: number | undefined;
  blockSize: number | undefined;
  maxAlloc: string | undefined;
  info: string | undefined;
  debug: string | undefined;
  logFormat: string | undefined;
  /** The letters behind `e.`: what the client understands; {@link CAPABILITY}. */
  capabilities: string;
}

/** What each letter behind `e.` says about the client. */
export const CAPABILITY = {
  /** Incremental recursion is acceptable. */
  INC_RECURSE: "i",
  SYMLINK_TIMES: "L",
  SYMLINK_ICONV: "s",
  SAFE_FLIST: "f",
  AVOID_XATTR_OPTIM: "x",
  CHKSUM_SEED_FIX: "C",
  INPLACE_PARTIAL: "I",
  VARINT_FLIST_FLAGS: "v",
  ID0_NAMES: "u",
} as const;

type KeysOf<T> = {
  [K in keyof ServerOptions]-?: ServerOptions[K] extends T ? K : never;
}[keyof ServerOptions];

/** An option without a value: what giving it does. */
export interface FlagRow {
  readonly name: string;
  readonly letter?: string;
  readonly key: Exclude<KeysOf<boolean | number>, undefined>;
  /** Given more than once it counts up. */
  readonly counts?: true;
}

/** An option with a value. */
export interface ValueRow {
  readonly name: string;
  readonly letter?: string;
  readonly key: KeysOf<string | number | undefined>;
  readonly is: "text" | "number";
  /** Bounds of a number. */
  readonly min?: number;
  readonly max?: number;
}

/** Flags in the order in which rsync's client bundles their letters; those without a letter follow. */
export const FLAGS: readonly FlagRow[] = [
  { letter: "s", name: "secluded-args", key: "secludedArgs" },
  { letter: "v", name: "verbose", key: "verbose", counts: true },
  { letter: "q", name: "quiet", key: "quiet" },
  { letter: "b", name: "backup", key: "backup" },
  { letter: "u", name: "update", key: "update" },
  { letter: "n", name: "dry-run", key: "dryRun" },
  { letter: "l", name: "links", key: "links" },
  { letter: "L", name: "copy-links", key: "copyLinks" },
  { letter: "k", name: "copy-dirlinks", key: "copyDirlinks" },
  { letter: "d", name: "dirs", key: "dirs" },
  { letter: "W", name: "whole-file", key: "wholeFile" },
  { letter: "H", name: "hard-links", key: "hardLinks" },
  { letter: "o", name: "owner", key: "owner" },
  { letter: "g", name: "group", key: "group" },
  { letter: "t", name: "times", key: "times" },
  { letter: "U", name: "atimes", key: "atimes", counts: true },
  { letter: "N", name: "crtimes", key: "crtimes" },
  { letter: "p", name: "perms", key: "perms" },
  { letter: "A", name: "acls", key: "acls" },
  { letter: "X", name: "xattrs", key: "xattrs", counts: true },
  { letter: "r", name: "recursive", key: "recursive" },
  { letter: "c", name: "checksum", key: "checksum" },
  { letter: "C", name: "cvs-exclude", key: "cvsExclude" },
  { letter: "I", name: "ignore-times", key: "ignoreTimes" },
  { letter: "R", name: "relative", key: "relative" },
  { letter: "x", name: "one-file-system", key: "oneFileSystem", counts: true },
  { letter: "S", name: "sparse", key: "sparse" },
  { letter: "z", name: "compress", key: "compress" },
  { name: "devices", key: "devices" },
  { name: "specials", key: "specials" },
  { name: "copy-unsafe-links", key: "copyUnsafeLinks" },
  { name: "safe-links", key: "safeLinks" },
  { name: "numeric-ids", key: "numericIds" },
  { name: "ignore-errors", key: "ignoreErrors" },
  { name: "ignore-missing-args", key: "ignoreMissingArgs" },
  { name: "delete-missing-args", key: "deleteMissingArgs" },
  { name: "list-only", key: "listOnly" },
  { name: "remove-source-files", key: "removeSourceFiles" },
  { name: "inplace", key: "inplace" },
  { name: "append", key: "append", counts: true },
  { name: "copy-devices", key: "copyDevices" },
  { name: "open-noatime", key: "openNoatime" },
  { name: "use-qsort", key: "qsort" },
  { name: "from0", key: "from0" },
];

/** Options that take a value, glued (`-B700`, `--timeout=30`) or as the next argument. */
export const VALUES: readonly ValueRow[] = [
  { letter: "B", name: "block-size", key: "blockSize", is: "number", min: 0, max: 1 << 29 },
  { name: "files-from", key: "filesFrom", is: "text" },
  { name: "iconv", key: "iconv", is: "text" },
  { name: "backup-dir", key: "backupDir", is: "text" },
  { name: "suffix", key: "suffix", is: "text" },
  { name: "checksum-choice", key: "checksumChoice", is: "text" },
  { name: "compress-level", key: "compressLevel", is: "number", min: -(2 ** 31), max: 2 ** 31 - 1 },
  { name: "compress-choice", key: "compressChoice", is: "text" },
  { name: "skip-compress", key: "skipCompress", is: "text" },
  { name: "checksum-seed", key: "checksumSeed", is: "number", min: -(2 ** 31), max: 2 ** 31 - 1 },
  { name: "timeout", key: "timeout", is: "number", min: 0, max: 2 ** 31 - 1 },
  { name: "bwlimit", key: "bwlimit", is: "number", min: 0, max: 2 ** 31 - 1 },
  { name: "max-alloc", key: "maxAlloc", is: "text" },
  { name: "info", key: "info", is: "text" },
  { name: "debug", key: "debug", is: "text" },
  { name: "log-format", key: "logFormat", is: "text" },
];

/** All options as they are when nothing is given. */
export function noServerOptions(): ServerOptions {
  return {
    sender: false,
    recursive: false,
    dirs: false,
    links: false,
    copyLinks: false,
    copyDirlinks: false,
    copyUnsafeLinks: false,
    safeLinks: false,
    hardLinks: false,
    owner: false,
    group: false,
    devices: false,
    specials: false,
    times: false,
    atimes: 0,
    crtimes: false,
    perms: false,
    acls: false,
    xattrs: 0,
    checksum: false,
    cvsExclude: false,
    ignoreTimes: false,
    relative: false,
    impliedDirs: true,
    oneFileSystem: 0,
    sparse: false,
    update: false,
    backup: false,
    wholeFile: false,
    dryRun: false,
    compress: false,
    verbose: 0,
    quiet: false,
    secludedArgs: false,
    numericIds: false,
    ignoreErrors: false,
    ignoreMissingArgs: false,
    deleteMissingArgs: false,
    listOnly: false,
    removeSourceFiles: false,
    inplace: false,
    append: 0,
    copyDevices: false,
    openNoatime: false,
    qsort: false,
    from0: false,
    filesFrom: undefined,
    iconv: undefined,
    backupDir: undefined,
    suffix: undefined,
    checksumChoice: undefined,
    compressChoice: undefined,
    compressLevel: undefined,
    skipCompress: undefined,
    checksumSeed: undefined,
    timeout: undefined,
    bwlimit: undefined,
    blockSize: undefined,
    maxAlloc: undefined,
    info: undefined,
    debug: undefined,
    logFormat: undefined,
    capabilities: "",
  };
}
