import type { Duplex } from "node:stream";
import type {
  ChecksumChoice,
  ChecksumName,
  CompressionName,
  FileEntry,
} from "@dialhome/rsync-protocol";
import type { Destination } from "./destination.ts";

/** Where the files come from. Paths are latin1 views of raw bytes. */
export type PullSource =
  | {
      /** An rsync daemon: text greeting, module, password. */
      readonly kind: "daemon";
      readonly module: string;
      /** Paths within the module; `""` is its root. */
      readonly paths: readonly string[];
      /** The daemon expands `* ? [ ]` in the paths, and takes `\\` as an escape. @defaultValue false: paths are literal */
      readonly wildcards?: boolean;
      /** @defaultValue "nobody" */
      readonly user?: string;
      /** Called when the daemon asks for a password; the password goes nowhere else. */
      readonly password?: () => Promise<string> | string;
    }
  | {
      /** `rsync --server --sender`, started by the caller with {@link remoteShellCommand} of the same options. */
      readonly kind: "server";
      /** The paths that it was started with: other names are then refused. Without them anything may come. */
      readonly paths?: readonly string[];
      /** Of the {@link RemoteCommand}, where the arguments do not stand in the command. */
      readonly secludedArguments?: readonly string[];
    };

/** When something is deleted: `--delete-before` and so on. */
export type DeleteTime = "before" | "during" | "delay" | "after";

/** Names of what is to be transferred, as latin1 views of bytes, relative to the one path of the source. */
export type FilesFrom =
  /** These. They are sent to the sender. */
  | { readonly names: readonly string[] }
  /** Those in a file at the far end, ended by newlines or by NULs. */
  | { readonly remote: string; readonly from0: boolean };

/** What a pull does, in rsync(1)'s words. Everything is off unless it is asked for. */
export interface TransferOptions {
  /** `-r` */
  readonly recursive?: boolean;
  /** `-d`: directories are named, not entered. */
  readonly dirs?: boolean;
  /** `-R`: the whole path of a source is made at the destination, or what is behind `/./` in it. */
  readonly relative?: boolean;
  /** `--no-implied-dirs` is false: the directories on the way to a source get no attributes. @defaultValue true */
  readonly impliedDirs?: boolean;
  /** `--files-from`: what is transferred of the source; `dirs` is implied, unless it is false. */
  readonly filesFrom?: FilesFrom;
  /** `-l` */
  readonly links?: boolean;
  /** `-H` */
  readonly hardLinks?: boolean;
  /** `-p` */
  readonly perms?: boolean;
  /** `-t` */
  readonly times?: boolean;
  /** `-o`: only root can give files away; others keep theirs. */
  readonly owner?: boolean;
  /** `-g`: as a user, only groups that one is a member of. */
  readonly group?: boolean;
  /** `--devices`: only root can make them; others pass them over. */
  readonly devices?: boolean;
  /** `--specials` */
  readonly specials?: boolean;
  /** `-A`: access control lists, default ones too. Needs `perms`. */
  readonly acls?: boolean;
  /** `-X`: extended attributes: `user.*`, as root all but `system.*`. */
  readonly xattrs?: boolean;
  /** `-E`: without `perms`, files become executable where the sender's are, and others do not. */
  readonly executability?: boolean;
  /** `--chmod`: what to do to the permissions before anything else, in rsync(1)'s words. */
  readonly chmod?: string;
  /** `-O`: directories keep their times. */
  readonly omitDirTimes?: boolean;
  /** `-J`: symbolic links keep their times. */
  readonly omitLinkTimes?: boolean;
  /** `--usermap`: `FROM:TO` pairs for owners, in rsync(1)'s words. Needs `owner`. */
  readonly userMap?: string;
  /** `--groupmap`: the same for groups. Needs `group`. */
  readonly groupMap?: string;
  /** `--super` tries what only root may, `--no-super` does not. @defaultValue whether we are root */
  readonly super?: boolean;
  /** `--fake-super`: owners, devices and the like are only written down, in `user.rsync.%stat` and its kin. Before `super`. */
  readonly fakeSuper?: boolean;
  /** `--safe-links`: symbolic links that lead out of the transfer are left out. */
  readonly safeLinks?: boolean;
  /** `--munge-links`: symbolic links get targets that lead nowhere, and can be restored. */
  readonly mungeLinks?: boolean;
  /** `-S`: runs of zeros become holes. */
  readonly sparse?: boolean;
  /** `--numeric-ids` */
  readonly numericIds?: boolean;
  /** `-x` */
  readonly oneFileSystem?: boolean;
  /** `-c`: compares checksums instead of times. */
  readonly checksum?: boolean;
  /** `-I` */
  readonly ignoreTimes?: boolean;
  /** `--size-only` */
  readonly sizeOnly?: boolean;
  /** `-u`: files that are newer here stay. */
  readonly update?: boolean;
  /** `--existing` */
  readonly existing?: boolean;
  /** `--ignore-existing` */
  readonly ignoreExisting?: boolean;
  /** `-W`: no deltas. */
  readonly wholeFile?: boolean;
  /** `-n`: nothing is changed. */
  readonly dryRun?: boolean;
  /**
   * `--delete`, and when: `during` is directory by directory as they come, `delay` finds them so and deletes at the end, `before` and
   * `after` are before and after everything else and list all at first. `true` is `during`, and below protocol 30 `before`.
   */
  readonly delete?: boolean | DeleteTime;
  /** `--delete-excluded`: what the rules exclude at the sender is deleted too. Means `delete`. */
  readonly deleteExcluded?: boolean;
  /** `--max-delete`: no more than so many are deleted; had there been more, the exit code is 25. */
  readonly maxDelete?: number;
  /** `--force`: a directory with content makes way for something else. */
  readonly force?: boolean;
  /** `--ignore-errors`: deletes also after an I/O error of the sender. */
  readonly ignoreErrors?: boolean;
  /** `--link-dest`: files that are the same in one of these directories become hard links to it; relative to the destination. */
  readonly linkDest?: readonly (string | Buffer)[];
  /** `--copy-dest`: files that are the same in one of these directories are copied from there. */
  readonly copyDest?: readonly (string | Buffer)[];
  /** `--compare-dest`: what is the same in one of these directories is not made here. */
  readonly compareDest?: readonly (string | Buffer)[];
  /** `-L`: the sender follows symbolic links. */
  readonly copyLinks?: boolean;
  /** `-k`: the sender follows symbolic links to directories. */
  readonly copyDirlinks?: boolean;
  /** `--copy-unsafe-links`: the sender follows symbolic links that lead out of what it sends. */
  readonly copyUnsafeLinks?: boolean;
  /** `--ignore-missing-args`: a path that the sender does not have is no error. */
  readonly ignoreMissingArgs?: boolean;
  /** `--delete-missing-args`: what the sender does not have is deleted here; a directory with content only with `delete` or `force`. */
  readonly deleteMissingArgs?: boolean;
  /** `--remove-source-files`: the sender removes each file, not directories, once it is here. */
  readonly removeSourceFiles?: boolean;
  /**
   * `-K`: a symbolic link to a directory stays where the sender has a directory, and leads to its place. One that leads out of the
   * destination stays too, and what is below it is left out.
   */
  readonly keepDirlinks?: boolean;
  /** `--bwlimit`, KiB per second: the sender sends no faster. */
  readonly bwlimit?: number;
  /** `--max-size`, bytes: larger files are passed over. */
  readonly maxSize?: number;
  /** `--min-size`, bytes: smaller files are passed over. */
  readonly minSize?: number;
  /** `-m`: directories in which no file would be are left out. Lists all at first. */
  readonly pruneEmptyDirs?: boolean;
  /** `--mkpath`: makes all missing directories on the way to the destination, not only the last. */
  readonly mkpath?: boolean;
  /** `--fsync`: each file is written to the disk before it gets its name. */
  readonly fsync?: boolean;
  /** `--partial`: what came of a file that did not come whole stays, under its name. */
  readonly partial?: boolean;
  /** `--partial-dir`: it stays in this directory, beside its place or an absolute one, and is the basis the next time. */
  readonly partialDir?: string | Buffer;
  /** `--temp-dir`: files are written there, and moved (or copied) to their places when they are whole; from the destination on. */
  readonly tempDir?: string | Buffer;
  /** `--delay-updates`: all files get into their places at the end. Lists all at first. */
  readonly delayUpdates?: boolean;
  /** `--inplace`: files are written over, so one that came in part is torn. */
  readonly inplace?: boolean;
  /** `--append`: only what is missing at the end is sent; with `verify`, the rest is compared too. Means `inplace`. */
  readonly append?: boolean | "verify";
  /** `-b`: what is replaced or deleted stays, under another name. */
  readonly backup?: boolean;
  /** `--backup-dir`: it stays there instead, under the same path; from the destination on. Means `backup`. */
  readonly backupDir?: string | Buffer;
  /** `--suffix` of backups, latin1. @defaultValue "~", none with `backupDir` */
  readonly suffix?: string;
  /** `-B`, bytes, at most 131,072. */
  readonly blockSize?: number;
  /**
   * Blocks of a large file are 4 KiB, a page of most databases and disk images, in place of the square root of its length; at most
   * 262,144 of them. Scattered changes then cost an eighth of the bytes in a file of 1 GiB, for 8 bytes of sums a block the
   * other way. @defaultValue false, as rsync
   */
  readonly smallBlocks?: boolean;
  /** `--checksum-choice`; by default the best that both have. `none` for the transfer means whole files. */
  readonly checksumChoice?: ChecksumName | ChecksumChoice;
  /** `-z`: file data comes compressed, in the best way that both have. */
  readonly compress?: boolean;
  /** `--compress-choice`; it asks for compression too, `none` for none, without a negotiation. */
  readonly compressChoice?: CompressionName;
  /**
   * `--compress-level`, in the scale of what is used: 1 to 9 for zlib and zlibx, −131,072 to 22 for zstd; what is beyond becomes
   * the nearest. Any level asks for compression; with a choice of zlib or zlibx, 0 turns it off.
   */
  readonly compressLevel?: number;
  /** What is offered in a negotiation, best first (rsync's `RSYNC_COMPRESS_LIST`). @defaultValue all but `none`, zstd first */
  readonly compressNames?: readonly CompressionName[];
  /** `--skip-compress`: told to the sender as it is. Neither rsync 3.5 nor this package's sender makes anything of it. */
  readonly skipCompress?: string;
  /** `--modify-window`, seconds; −1 compares nanoseconds too. @defaultValue 0 */
  readonly modifyWindow?: number;
  /** `--protocol`, 27 to 32. @defaultValue 32 */
  readonly protocol?: number;
  /** `--no-inc-recursive` is false. @defaultValue true */
  readonly incRecursive?: boolean;
  /** `--checksum-seed`, a 32-bit integer; 0 leaves it to the sender. @defaultValue 0 */
  readonly checksumSeed?: number;
  /** `-v`: how often it was given decides what the sender tells of its side. @defaultValue 0 */
  readonly verbose?: number;
  /** Rules in their wire form, sent to the sender, which leaves out what they exclude. */
  readonly filterRules?: readonly string[];
  /** `-C`: files that CVS ignores are left out, and not deleted. */
  readonly cvsExclude?: boolean;
  /** Words that `-C` takes besides its own here: the texts of `$HOME/.cvsignore` and CVSIGNORE, latin1. */
  readonly cvsIgnore?: readonly string[];
}

/** What became of an entry. */
export type Outcome =
  /** It was not there. */
  | "new"
  /** It was there with other content (file), target (link) or number (device). */
  | "updated"
  /** At most its attributes were corrected. */
  | "unchanged"
  /** Hard link to the same file in a `linkDest` directory. */
  | "linked"
  /** Content from a `linkDest` directory, attributes of its own. */
  | "copied"
  /** Hard link to another file of this transfer. */
  | "hard-linked";

/** One finished entry. In a dry run: what would be. */
export interface PulledEntry {
  readonly entry: FileEntry;
  readonly outcome: Outcome;
  /** `ITEM` bits: how it differed from what was there. */
  readonly changes: number;
  /** Name of the file of this transfer that it is a hard link to, where it is one. */
  readonly hardLinkTo: string | undefined;
  /** Content digest, with `contentDigest`, where the content passed through. */
  readonly digest: Uint8Array | undefined;
  /** The sender's checksum of the content, of the type that the session uses, where the content passed through. */
  readonly checksum?: Uint8Array | undefined;
  /** Bytes of the content, where it passed through: a file that grows while it is read has more than its entry says. */
  readonly size?: number | undefined;
  /** Why an option has it passed over, where one has; the outcome is `unchanged` then. */
  readonly skipped?: SkipReason | undefined;
}

/** `update`; `ignoreExisting`; `existing`; `maxSize`; `minSize`; `compareDest`. */
export type SkipReason =
  | "newer"
  | "exists"
  | "not there"
  | "too large"
  | "too small"
  | "same elsewhere";

/** A file whose content begins to come. */
export interface StartedTransfer {
  readonly entry: FileEntry;
  readonly outcome: "new" | "updated";
  /** `ITEM` bits: how it differs from what is there. */
  readonly changes: number;
  /** Entries listed so far, and how many of them come after this one. */
  readonly listed: number;
  readonly remaining: number;
  /** Whether these are all, and the bytes of all that were listed. */
  readonly listComplete: boolean;
  readonly totalBytes: number;
}

/** How far the beginning of a pull has come. */
export type PullStep =
  /** Both sides have agreed on everything, and the list comes: all at first, or directory by directory. */
  | {
      readonly is: "listing";
      readonly incremental: boolean;
      readonly checksum: string;
      readonly protocol: number;
    }
  /** The first list is there, the only one unless more come directory by directory. */
  | { readonly is: "listed"; readonly entries: number }
  /**
   * The destination is open; it was missing, and was made (in a dry run: would be). From now on it is known whose an entry is there: by
   * name and by `userMap` and `groupMap`. Another store has the sender's ids.
   */
  | {
      readonly is: "destination";
      readonly created: boolean;
      readonly ownerOf: (entry: FileEntry) => OwnerHere;
    };

/** Whose an entry is at the destination. */
export interface OwnerHere {
  readonly uid: number;
  /** Undefined: a group that only root may give. */
  readonly gid: number | undefined;
}

/** Something that was deleted; directories after their content. */
export interface DeletedEntry {
  readonly name: string;
  readonly isDirectory: boolean;
}

/** Something that was kept before it was replaced or deleted (`--backup`). Paths are latin1. */
export interface BackedUpEntry {
  readonly name: string;
  /** Its new path: below the destination, or with the backup directory in front as it was given. */
  readonly keptAs: string;
}

/** Something a person should read. `text` is latin1 and may hold anything: escape it before it is shown. */
export interface PullMessage {
  readonly level: "info" | "warning" | "error";
  readonly text: string;
  /** Whether the peer said it. */
  readonly fromPeer: boolean;
}

/** How far a pull has come. */
export interface PullProgress {
  /** Entries that were listed so far, and whether that was all. */
  readonly entries: number;
  readonly listComplete: boolean;
  /** Entries that are finished. */
  readonly finished: number;
  /** Bytes of listed files, and of those that are finished. */
  readonly totalBytes: number;
  readonly finishedBytes: number;
  /** Bytes from the peer so far. */
  readonly receivedBytes: number;
  /** Bytes of the file that is coming now, and its size; undefined between two files. */
  readonly file: { readonly doneBytes: number; readonly size: number } | undefined;
}

/** Options of `pull()`. */
export interface PullOptions extends TransferOptions {
  /** The connection to the sender. It is read and written, and ended, never destroyed. */
  readonly stream: Duplex;
  readonly source: PullSource;
  /** Directory to write to (bytes, or UTF-8 text), whose last component is made when it is missing; or another store. */
  readonly destination: string | Buffer | Destination;
  /** Longest silence in ms; 0 is for ever. @defaultValue 0 */
  readonly timeoutMs?: number;
  /** `--stop-at`, ms since 1970: then the pull ends with exit code 30; what was finished stays. */
  readonly stopAtMs?: number;
  /**
   * Memory that the sender's lists may take at a time, in bytes (about; at most 2 GiB): a sender that lists more is refused with exit
   * code 22. An entry takes 400 bytes and its texts. @defaultValue half of what the JavaScript heap may grow to
   */
  readonly maxListBytes?: number;
  /** Ends the pull: what was finished stays, nothing is half-written. */
  readonly signal?: AbortSignal;
  /**
   * What the caller still prepares: the session is opened and the list comes meanwhile, but nothing is decided upon before this
   * resolves. When it rejects, the pull ends with `ERR_RSYNC_ABORTED` and that as its cause.
   */
  readonly ready?: Promise<unknown>;
  /** A digest of each file's content as it passes, for {@link PulledEntry.digest}. */
  readonly contentDigest?: "sha256";
  readonly onEntry?: (entry: PulledEntry) => void;
  /** Hears of each device that is asked for and that this process may not make, since it is not root. */
  readonly onUnmade?: (entry: FileEntry) => void;
  /**
   * When `onEntry` is called: as soon as an entry is finished, or in the order of the sender's list, as rsync(1) prints entries with
   * `-i`; with `changes listed` those that are as they were, directories aside, are told at once, as rsync(1) does without `-i`.
   * @defaultValue "finished"
   */
  readonly entryOrder?: "finished" | "listed" | "changes listed";
  /** Called when the content of a file begins to come; not in a dry run. */
  readonly onTransfer?: (started: StartedTransfer) => void;
  readonly onStep?: (step: PullStep) => void;
  readonly onDelete?: (deleted: DeletedEntry) => void;
  readonly onBackup?: (backedUp: BackedUpEntry) => void;
  readonly onMessage?: (message: PullMessage) => void;
  /** Called a few times a second. */
  readonly onProgress?: (progress: PullProgress) => void;
  /**
   * Nobody reads the destination before the pull has ended well: a new file is written under its own name at once. A pull that is
   * killed may then leave the beginning of a file. @defaultValue false
   */
  readonly privateDestination?: boolean;
  /** Instead of pulling, hears of each entry that the sender lists (`--list-only`). */
  readonly onListed?: (entry: FileEntry) => void;
}
