/** Options that are on or off. */
export type Flag =
  | "recursive"
  | "links"
  | "perms"
  | "times"
  | "owner"
  | "group"
  | "devices"
  | "specials"
  | "hardLinks"
  | "sparse"
  | "oneFileSystem"
  | "wholeFile"
  | "checksum"
  | "update"
  | "ignoreTimes"
  | "dryRun"
  | "quiet"
  | "dirs"
  | "stats"
  | "progress"
  | "numericIds"
  | "delete"
  | "deleteBefore"
  | "deleteDuring"
  | "deleteDelay"
  | "deleteAfter"
  | "deleteExcluded"
  | "cvsExclude"
  | "force"
  | "ignoreErrors"
  | "existing"
  | "ignoreExisting"
  | "sizeOnly"
  | "incRecursive"
  | "listOnly"
  | "partial"
  | "inplace"
  | "append"
  | "appendVerify"
  | "backup"
  | "delayUpdates"
  | "copyLinks"
  | "copyDirlinks"
  | "copyUnsafeLinks"
  | "ignoreMissingArgs"
  | "deleteMissingArgs"
  | "removeSourceFiles"
  | "keepDirlinks"
  | "pruneEmptyDirs"
  | "mkpath"
  | "fsync"
  | "acls"
  | "xattrs"
  | "executability"
  | "omitDirTimes"
  | "omitLinkTimes"
  | "super"
  | "noSuper"
  | "fakeSuper"
  | "safeLinks"
  | "mungeLinks"
  | "ipv4"
  | "ipv6"
  | "relative"
  | "impliedDirs"
  | "from0"
  | "secludedArgs"
  | "oldArgs"
  | "blockingIo"
  | "acceptNew"
  | "eightBit"
  | "motd"
  | "help"
  | "version";

/** Options with a value, each read in its own way. */
export type Valued =
  | "blockSize"
  | "checksumChoice"
  | "checksumSeed"
  | "compressChoice"
  | "compressLevel"
  | "compressThreads"
  | "skipCompress"
  | "modifyWindow"
  | "timeout"
  | "contimeout"
  | "passwordFile"
  | "port"
  | "address"
  | "protocol"
  | "linkDest"
  | "copyDest"
  | "compareDest"
  | "bwlimit"
  | "partialDir"
  | "tempDir"
  | "backupDir"
  | "suffix"
  | "maxDelete"
  | "maxSize"
  | "minSize"
  | "chmod"
  | "chown"
  | "userMap"
  | "groupMap"
  | "stopAfter"
  | "stopAt"
  | "info"
  | "exclude"
  | "include"
  | "filter"
  | "excludeFrom"
  | "includeFrom"
  | "filesFrom"
  | "rsh"
  | "rsyncPath"
  | "remoteOption"
  | "identity"
  | "outFormat"
  | "logFile"
  | "logFileFormat"
  | "stderr"
  | "debug"
  | "outbuf"
  | "sockopts"
  | "knownHosts"
  | "sshConfig"
  | "hostKeyFingerprint";

/** What an option does. */
export type Effect =
  /** Switches flags on, and others that it contradicts off; `--no-NAME` switches them off. */
  | { readonly is: "flags"; readonly flags: readonly Flag[]; readonly off?: readonly Flag[] }
  /** One more of it each time; `--no-NAME` sets it back to none. */
  | { readonly is: "count"; readonly counter: "verbose" | "human" | "itemize" | "compress" }
  | { readonly is: "value"; readonly name: Valued }
  /** `-F`: rules from a file in each directory. */
  | { readonly is: "perDirectoryFilter" }
  /** Says the same as another option with a value. */
  | { readonly is: "short"; readonly name: Valued; readonly value: string }
  /** rsync has it, dialhome does not. */
  | { readonly is: "unsupported"; readonly takesValue: boolean };

/** One option of rsync(1) with all its spellings. */
export interface OptionRow {
  /** Without dashes; one letter is a short option. */
  readonly names: readonly string[];
  readonly effect: Effect;
  /** What `--help` says; undefined for spellings and options that it leaves out. */
  readonly help?: string;
  /** How `--help` calls the value. */
  readonly value?: string;
}

function flag(names: string, flags: Flag | readonly Flag[], help?: string): OptionRow {
  const effect: Effect = { is: "flags", flags: typeof flags === "string" ? [flags] : flags };
  return { names: names.split(" "), effect, ...(help === undefined ? {} : { help }) };
}

/** One of several that exclude each other: the last one wins. */
function choice(name: string, on: Flag, off: readonly Flag[], help: string): OptionRow {
  return { names: [name], effect: { is: "flags", flags: [on], off }, help };
}

function valued(names: string, name: Valued, value: string, help: string): OptionRow {
  return { names: names.split(" "), effect: { is: "value", name }, value, help };
}

function unsupported(names: string, takesValue = false): OptionRow {
  return { names: names.split(" "), effect: { is: "unsupported", takesValue } };
}

const ARCHIVE = [
  "recursive",
  "links",
  "perms",
  "times",
  "group",
  "owner",
  "devices",
  "specials",
] as const;

/** What dialhome does of rsync 3.5's client options; rsync(1), OPTION SUMMARY. */
const SUPPORTED: readonly OptionRow[] = [
  {
    names: ["verbose", "v"],
    effect: { is: "count", counter: "verbose" },
    help: "name what is transferred",
  },
  flag("quiet q", "quiet", "say nothing but errors"),
  {
    names: ["itemize-changes", "i"],
    effect: { is: "count", counter: "itemize" },
    help: "tell each change in rsync's eleven letters (-ii: also what is the same)",
  },
  valued("out-format log-format", "outFormat", "FORMAT", "tell each change in this format"),
  valued("log-file", "logFile", "FILE", "write what is done to FILE"),
  valued("log-file-format", "logFileFormat", "FORMAT", "tell each change there in this format"),
  valued("stderr", "stderr", "MODE", "errors, or all: where messages go"),
  valued("debug", "debug", "WORDS", "NONE, or words with 0 behind them: nothing else can be had"),
  valued("outbuf", "outbuf", "MODE", "N, L or B: taken, and without effect here"),
  flag("8-bit-output 8", "eightBit", "print all bytes of names as they are"),
  flag("archive a", ARCHIVE, "the same as -rlptgoD"),
  flag("recursive r", "recursive", "enter directories"),
  flag("dirs d", "dirs", "transfer directories without entering them"),
  flag("links l", "links", "transfer symbolic links"),
  flag("copy-links L", "copyLinks", "follow symbolic links at the source"),
  flag("copy-dirlinks k", "copyDirlinks", "follow symbolic links to directories at the source"),
  flag("copy-unsafe-links", "copyUnsafeLinks", "follow links that lead out of the source"),
  flag("keep-dirlinks K", "keepDirlinks", "follow links to directories at the destination"),
  flag("perms p", "perms", "set permissions"),
  flag("times t", "times", "set modification times"),
  flag("owner o", "owner", "set owners (as root)"),
  flag("group g", "group", "set groups"),
  flag("D", ["devices", "specials"], "the same as --devices --specials"),
  flag("devices", "devices", "make device files (as root)"),
  flag("specials", "specials", "make pipes and sockets"),
  flag("hard-links H", "hardLinks", "keep hard links"),
  flag("acls A", "acls", "set access control lists, and permissions"),
  flag("xattrs X", "xattrs", "set extended attributes"),
  flag("executability E", "executability", "without -p: make executable what is so at the source"),
  valued("chmod", "chmod", "CHMOD", "change permissions before they are used"),
  valued("chown", "chown", "USER:GROUP", "let all belong to these"),
  valued("usermap", "userMap", "FROM:TO,...", "map owners, by name, id, range or wildcard"),
  valued("groupmap", "groupMap", "FROM:TO,...", "map groups, by name, id, range or wildcard"),
  choice("super", "super", ["noSuper", "fakeSuper"], "try what only root may"),
  choice("no-super", "noSuper", ["super", "fakeSuper"], "do not try what only root may"),
  choice("fake-super", "fakeSuper", ["super", "noSuper"], "write down what only root may set"),
  flag("omit-dir-times O", "omitDirTimes", "leave the times of directories alone"),
  flag("omit-link-times J", "omitLinkTimes", "leave the times of symbolic links alone"),
  flag("safe-links", "safeLinks", "leave out links that lead out of the tree"),
  flag("munge-links", "mungeLinks", "make links that lead nowhere, and can be restored"),
  flag("sparse S", "sparse", "make holes of runs of zeros"),
  flag("one-file-system x", "oneFileSystem", "stay on the source's file system"),
  flag("numeric-ids", "numericIds", "take owners by number, not by name"),
  flag("whole-file W", "wholeFile", "transfer whole files, no deltas"),
  flag("checksum c", "checksum", "compare by checksum, not by size and time"),
  flag("ignore-times I", "ignoreTimes", "transfer also what has the same size and time"),
  flag("size-only", "sizeOnly", "pass over what has the same size"),
  flag("update u", "update", "pass over what is newer at the destination"),
  flag("partial", "partial", "keep what came of a file that did not come whole"),
  valued("partial-dir", "partialDir", "DIR", "keep it in DIR, and go on from it the next time"),
  flag("P", ["partial", "progress"], "the same as --partial --progress"),
  valued("temp-dir T", "tempDir", "DIR", "write files in DIR until they are whole"),
  flag("delay-updates", "delayUpdates", "put all files into their places at the end"),
  flag("inplace", "inplace", "write over files instead of replacing them"),
  flag("append", "append", "transfer only what is missing at the end of files"),
  flag("append-verify", "appendVerify", "the same, and compare the rest"),
  flag("backup b", "backup", "keep what is replaced or deleted under another name"),
  valued("backup-dir", "backupDir", "DIR", "keep it in DIR"),
  valued("suffix", "suffix", "SUFFIX", "what is put behind the names of backups (~)"),
  flag("existing ignore-non-existing", "existing", "make nothing new"),
  flag("ignore-existing", "ignoreExisting", "change no file that exists"),
  flag("dry-run n", "dryRun", "change nothing, tell what would be done"),
  flag("delete", "delete", "delete what the source does not have"),
  flag("delete-during del", "deleteDuring", "delete directory by directory (the default)"),
  flag("delete-before", "deleteBefore", "delete before anything is transferred"),
  flag("delete-after", "deleteAfter", "delete when everything is transferred"),
  flag("delete-delay", "deleteDelay", "find during the transfer what is deleted after it"),
  flag("delete-excluded", "deleteExcluded", "delete what the filter rules leave out as well"),
  valued("max-delete", "maxDelete", "NUMBER", "delete no more than so many"),
  flag("force", "force", "let a file replace a directory that is not empty"),
  flag("ignore-errors", "ignoreErrors", "delete even if the source had errors"),
  valued("max-size", "maxSize", "SIZE", "pass over files that are larger"),
  valued("min-size", "minSize", "SIZE", "pass over files that are smaller"),
  flag("prune-empty-dirs m", "pruneEmptyDirs", "leave out directories without files"),
  flag("mkpath", "mkpath", "make all directories on the way to the destination"),
  flag("fsync", "fsync", "write each file to the disk before it gets its name"),
  flag("ignore-missing-args", "ignoreMissingArgs", "pass over sources that are not there"),
  flag("delete-missing-args", "deleteMissingArgs", "delete what is named and not there"),
  flag("remove-source-files", "removeSourceFiles", "let the sender remove files that are here"),
  valued("bwlimit", "bwlimit", "RATE", "let the sender send no faster, KiB a second"),
  valued("stop-after time-limit", "stopAfter", "MINUTES", "stop after so many minutes"),
  valued("stop-at", "stopAt", "TIME", "stop at that time, y-m-dTh:m"),
  valued("link-dest", "linkDest", "DIR", "hard link to files in DIR that are the same"),
  valued("copy-dest", "copyDest", "DIR", "copy files in DIR that are the same"),
  valued("compare-dest", "compareDest", "DIR", "do not make what is the same in DIR"),
  valued("exclude", "exclude", "PATTERN", "leave out what matches"),
  valued("exclude-from", "excludeFrom", "FILE", "leave out what matches a line of FILE"),
  valued("include", "include", "PATTERN", "do not leave out what matches"),
  valued("include-from", "includeFrom", "FILE", "do not leave out what matches a line of FILE"),
  valued("filter f", "filter", "RULE", "add a filter rule"),
  {
    names: ["F"],
    effect: { is: "perDirectoryFilter" },
    help: "take rules from .rsync-filter in each directory (-FF: and leave that file out)",
  },
  flag("cvs-exclude C", "cvsExclude", "leave out what CVS ignores"),
  valued("files-from", "filesFrom", "FILE", 'transfer what FILE names; "-" or "HOST:FILE" too'),
  flag("from0 0", "from0", "names and rules in files end with NUL, not with a newline"),
  flag("relative R", "relative", "make the whole path of a source at the destination"),
  flag("implied-dirs i-d", "impliedDirs", "with -R: also attributes of the directories on the way"),
  valued("block-size B", "blockSize", "SIZE", "use blocks of this size for deltas"),
  valued(
    "checksum-choice cc",
    "checksumChoice",
    "NAME",
    "xxh128, xxh3, xxh64, md5, md4, sha1 or none; two of them: for the transfer, for -c",
  ),
  valued("checksum-seed", "checksumSeed", "NUMBER", "the seed of block and file checksums"),
  {
    names: ["compress", "z"],
    effect: { is: "count", counter: "compress" },
    help: "let the data come compressed (-zz: as zlibx)",
  },
  valued("compress-choice zc", "compressChoice", "NAME", "zstd, lz4, zlibx, zlib, none or auto"),
  valued("compress-level zl", "compressLevel", "NUMBER", "compress so well, and with -z"),
  { names: ["new-compress"], effect: { is: "short", name: "compressChoice", value: "zlibx" } },
  { names: ["old-compress"], effect: { is: "short", name: "compressChoice", value: "zlib" } },
  valued("compress-threads zt", "compressThreads", "NUMBER", "taken, as in rsync for nothing here"),
  valued("skip-compress", "skipCompress", "LIST", "told to the sender, as in rsync for nothing"),
  valued("modify-window @", "modifyWindow", "SECONDS", "times this close are equal"),
  flag("stats", "stats", "print numbers at the end"),
  {
    names: ["human-readable", "h"],
    effect: { is: "count", counter: "human" },
    help: "print large numbers with a unit",
  },
  flag("progress", "progress", "show how far each file is, and name files"),
  valued("info", "info", "FLAGS", "what is told: name, del, progress2, …; all and none too"),
  flag("list-only", "listOnly", "list the source instead of transferring it"),
  valued("timeout", "timeout", "SECONDS", "give up after so long a silence"),
  valued("contimeout", "contimeout", "SECONDS", "give up a connection that takes longer"),
  valued(
    "password-file",
    "passwordFile",
    "FILE",
    'read the password from FILE, "-" for standard input',
  ),
  valued("rsh e", "rsh", "COMMAND", "the remote shell; plain ssh needs no program"),
  valued("rsync-path", "rsyncPath", "PROGRAM", "rsync at the far end of the remote shell"),
  valued("remote-option M", "remoteOption", "OPTION", "an option for the far end alone"),
  flag("secluded-args protect-args s", "secludedArgs", "send arguments past the remote shell"),
  flag("old-args", "oldArgs", "leave arguments to the remote shell as they are"),
  flag("blocking-io", "blockingIo", "taken, and without effect here"),
  valued("identity", "identity", "FILE", "private key to log in with over SSH; can be given again"),
  valued(
    "ssh-config",
    "sshConfig",
    "FILE",
    "ssh's configuration instead of ~/.ssh/config, or none",
  ),
  valued(
    "known-hosts",
    "knownHosts",
    "FILE",
    "host keys that are known for SSH; can be given again",
  ),
  valued(
    "host-key-fingerprint",
    "hostKeyFingerprint",
    "SHA256:…",
    "the SSH host's key must be this",
  ),
  flag("accept-new", "acceptNew", "trust an SSH host that is not known yet, and remember it"),
  valued("port", "port", "PORT", "the daemon's or SSH's port, where the source does not say it"),
  valued("sockopts", "sockopts", "OPTIONS", "TCP_NODELAY and SO_KEEPALIVE, which are set anyway"),
  flag("motd", "motd", "show the daemon's message of the day (--no-motd: and no list of modules)"),
  valued("address", "address", "ADDRESS", "connect from this address"),
  flag("ipv4 4", "ipv4", "connect over IPv4 only"),
  flag("ipv6 6", "ipv6", "connect over IPv6 only"),
  valued("protocol", "protocol", "NUMBER", "speak no newer protocol: 30, 31 or 32"),
  flag(
    "inc-recursive i-r",
    "incRecursive",
    "list directories as they come (--no-inc-recursive: all at first)",
  ),
  flag("version V", "version", "print the version"),
  flag("help", "help", "print this"),
];

/** What rsync 3.5 has besides: known, so that it is refused by its name and not taken for a mistake. */
const UNSUPPORTED: readonly OptionRow[] = [
  ...[
    "atimes U",
    "copy-devices",
    "crtimes N",
    "daemon",
    "drop-D",
    "fuzzy y",
    "insecure-links",
    "msgs2stderr",
    "old-dirs old-d",
    "open-noatime",
    "preallocate",
    "qsort",
    "remove-sent-files",
    "sender",
    "server",
    "trust-sender",
    "write-devices",
  ].map((names) => unsupported(names)),
  ...[
    "confine-root",
    "config",
    "copy-as",
    "dparam",
    "early-input",
    "iconv",
    "max-alloc",
    "only-write-batch",
    "read-batch",
    "write-batch",
  ].map((names) => unsupported(names, true)),
];

/** Every client option of rsync 3.5. */
export const OPTION_ROWS: readonly OptionRow[] = [...SUPPORTED, ...UNSUPPORTED];

const BY_NAME: ReadonlyMap<string, OptionRow> = new Map(
  OPTION_ROWS.flatMap((row) => row.names.map((name) => [name, row] as const)),
);

/** The option with that name or letter, without dashes. */
export function optionNamed(name: string): OptionRow | undefined {
  return BY_NAME.get(name);
}
