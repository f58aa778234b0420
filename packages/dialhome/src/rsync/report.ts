import {
  ITEM,
  isDirectory as isDirectoryEntry,
  isRegularFile,
  isSymlink,
} from "@dialhome/rsync-protocol";
import {
  type DeletedEntry,
  itemize,
  type PulledEntry,
  type PullMessage,
  type PullOptions,
  type PullProgress,
  type PullStep,
  type PullSummary,
  type SkipReason,
  type StartedTransfer,
} from "@dialhome/rsync-protocol-client";
import { latin1 } from "../argument-bytes.ts";
import { type FormatContext, formatHas, formatItem, type Item, nameOf } from "./item-line.ts";
import type { RsyncOutput } from "./output.ts";
import { ProgressLines } from "./progress.ts";
import type { RsyncSettings } from "./settings.ts";
import { formatStatistics, formatTotals } from "./totals.ts";

/** Formats of rsync itself. */
const FORMAT = { itemize: "%i %n%L", names: "%n%L" } as const;

/** What is told of a transfer as a whole. */
interface Way {
  /** As it was written; undefined when files are only listed. */
  readonly destination: string | undefined;
  /** Within this machine: rsync tells of such a copy as its sender. */
  readonly isLocal: boolean;
  readonly wholeFile: boolean;
}

/** What rsync says of what an option has it pass over. */
const SKIPPED: Readonly<
  Record<Exclude<SkipReason, "same elsewhere">, (name: string, kind: string) => string>
> = {
  newer: (name) => `${name} is newer`,
  exists: (name) => `${name} exists`,
  "not there": (name, kind) => `not creating new ${kind} "${name}"`,
  "too large": (name) => `${name} is over max-size`,
  "too small": (name) => `${name} is under min-size`,
};

/** Where in the lists a transfer is. */
type Position = Pick<StartedTransfer, "listed" | "remaining" | "listComplete" | "totalBytes">;

/** Tells a transfer in rsync's own lines. */
export class RsyncReport {
  readonly #settings: RsyncSettings;
  readonly #output: RsyncOutput;
  readonly #startedAt: number;
  readonly #timeOptions: { times: boolean; omitDirTimes: boolean; omitLinkTimes: boolean };
  readonly #destination: string;
  /** Undefined: entries are not named. */
  readonly #format: string | undefined;
  readonly #logFormat: string | undefined;
  readonly #itemizes: number;
  /** A file is named before it comes, unless its format tells what is only known then. */
  readonly #namesBefore: boolean;
  readonly #lines: ProgressLines;
  #context: FormatContext;
  /** Below protocol 29 nobody repeats how what was asked for differs. */
  #tellsDifferences = true;
  #files = 0;
  #isListing = false;
  #hasBegun = false;
  readonly #isListOnly: boolean;
  readonly #way: Way;
  #doneBytes = 0;
  #started: StartedTransfer | undefined;

  constructor(settings: RsyncSettings, output: RsyncOutput, startedAt: number, way: Way) {
    const { destination } = way;
    this.#way = way;
    const { outFormat, itemize: itemizes, info, human } = settings;
    this.#settings = settings;
    this.#output = output;
    this.#startedAt = startedAt;
    const { flags } = settings;
    this.#timeOptions = {
      times: flags.has("times"),
      omitDirTimes: flags.has("omitDirTimes"),
      omitLinkTimes: flags.has("omitLinkTimes"),
    };
    this.#isListOnly = destination === undefined;
    this.#destination = latin1((destination ?? "").replace(/(?<=[^/])\/+$/, ""));
    this.#context = {
      keepsOwner: flags.has("owner") || settings.userMap !== undefined,
      keepsGroup: flags.has("group") || settings.groupMap !== undefined,
      ownerOf: (entry) => entry,
      checksumDigits: 32,
      isReversed: false,
      tellsChecksums: true,
      isDryRun: flags.has("dryRun"),
    };
    this.#format =
      outFormat ?? (itemizes > 0 ? FORMAT.itemize : info.name > 0 ? FORMAT.names : undefined);
    this.#itemizes = formatHas(this.#format ?? "", "i") ? Math.max(1, itemizes) : 0;
    this.#namesBefore = !formatHas(this.#format ?? "", "C");
    this.#logFormat =
      settings.logFile === undefined ? undefined : (settings.logFileFormat ?? FORMAT.itemize);
    this.#lines = new ProgressLines(human);
  }

  /** What a pull is to call. Nothing that is not told costs anything. */
  callbacks(): Partial<PullOptions> {
    const { info } = this.#settings;
    const namesEntries = this.#format !== undefined || this.#logFormat !== undefined;
    return {
      entryOrder: this.#itemizes > 0 ? "listed" : "changes listed",
      onStep: (step) => this.#step(step),
      onMessage: this.onMessage,
      ...(namesEntries || info.del > 0 ? { onDelete: (deleted) => this.#deleted(deleted) } : {}),
      ...(info.backup > 0
        ? { onBackup: ({ name, keptAs }) => this.#output.info(`backed up ${name} to ${keptAs}`) }
        : {}),
      ...(namesEntries || info.progress > 0 || info.skip > 0
        ? {
            onEntry: (pulled) => this.#entry(pulled),
            onTransfer: (started) => this.#begins(started),
          }
        : {}),
      ...(info.progress > 0 ? { onProgress: (progress) => this.#moves(progress) } : {}),
    };
  }

  readonly onMessage = ({ level, text, fromPeer }: PullMessage): void => {
    const { info } = this.#settings;
    // Before the transfer a daemon says nothing but its message of the day.
    if (fromPeer && !this.#hasBegun && level === "info" && !this.#settings.flags.has("motd"))
      return;
    // rsync tells of them with the names of files, and not by --info=symsafe.
    if (!fromPeer && info.name === 0 && text.startsWith("ignoring unsafe symlink")) return;
    if (level !== "info") this.#output.complain(text.replace(/^rsync: /, ""));
    else if (info.nonreg > 0 || !text.startsWith("skipping non-regular file")) {
      this.#output.info(text);
    }
  };

  /** After everything else. */
  end(summary: PullSummary): void {
    const { flags, human, info } = this.#settings;
    const elapsedMs = performance.now() - this.#startedAt;
    if (info.progress > 1) {
      const listed = Object.values(summary.listed).reduce((sum, count) => sum + count, 0);
      const { totalBytes } = summary;
      this.#total({ listed, remaining: 0, listComplete: true, totalBytes });
    }
    const totals = formatTotals(summary, elapsedMs, human, flags.has("dryRun"));
    if (info.stats > 1) {
      this.#output.say("");
      for (const line of formatStatistics(summary, human)) this.#output.info(line);
    }
    if (info.stats > 0) {
      this.#output.say("");
      for (const line of totals) this.#output.info(line);
    } else {
      const { bytesSent, bytesReceived, totalBytes } = summary;
      this.#output.log(
        `sent ${bytesSent} bytes  received ${bytesReceived} bytes  total size ${totalBytes}`,
      );
    }
  }

  #step(step: PullStep): void {
    const { info, verbose } = this.#settings;
    const { isLocal, wholeFile } = this.#way;
    switch (step.is) {
      case "listing":
        this.#hasBegun = true;
        this.#context = { ...this.#context, ...describeChecksum(step.checksum, step.protocol) };
        this.#tellsDifferences = step.protocol >= 29;
        this.#output.log(isLocal ? "building file list" : "receiving file list");
        if (info.flist === 0) break;
        if (step.incremental)
          this.#output.say(`${isLocal ? "sending" : "receiving"} incremental file list`);
        else if (this.#mayHaveList())
          this.#output.sayOver(isLocal ? "building file list ... " : "receiving file list ... ");
        this.#isListing = !step.incremental && this.#mayHaveList();
        break;
      case "listed":
        if (this.#isListing) {
          this.#output.sayOver(info.flist > 1 ? `${step.entries} files to consider\n` : "done\n");
        }
        break;
      case "destination":
        this.#context = { ...this.#context, ownerOf: step.ownerOf };
        if (step.created && (info.name > 0 || this.#itemizes > 0)) {
          this.#output.info(`created directory ${this.#destination}`);
        }
        if (verbose > 1) {
          const why = wholeFile ? "disabled for local transfer or --whole-file" : "enabled";
          this.#output.say(`delta-transmission ${why}`);
        }
        break;
      default:
        throw new Error(`no such step: ${String(step satisfies never)}`);
    }
  }
  /** A file begins to come. */
  #begins(started: StartedTransfer): void {
    this.#started = started;
    this.#files += 1;
    if (this.#namesBefore)
      this.#say(this.#itemOf({ ...started, hardLinkTo: undefined, digest: undefined }));
    // Of what has no content rsync says only that it is there.
    if (started.entry.size === 0) return;
    if (this.#settings.info.progress === 1)
      this.#overwrite(this.#lines.update(0, started.entry.size));
    else if (this.#settings.info.progress > 1) this.#moved(0);
  }

  #entry(pulled: PulledEntry): void {
    if (pulled.skipped !== undefined && pulled.skipped !== "same elsewhere") {
      const { name } = pulled.entry;
      const kind = isDirectoryEntry(pulled.entry) ? "directory" : "file";
      if (this.#settings.info.skip > 0) this.#output.info(SKIPPED[pulled.skipped](name, kind));
      return;
    }
    const item = this.#itemOf(pulled);
    const started = this.#started?.entry === pulled.entry ? this.#started : undefined;
    if (started !== undefined) {
      this.#started = undefined;
      if (!this.#namesBefore) this.#say(item);
      this.#log(item);
      this.#came(started);
      return;
    }
    if (this.#isTold(pulled, item)) {
      this.#say(item);
      // As rsync: what is transferred is not logged in a dry run, though all else is.
      const isTransfer = (item.changes & ITEM.TRANSFER) !== 0;
      if (item.letters.trimEnd().length > 2 && !isTransfer) this.#log(item);
    } else if (this.#settings.info.name > 1 && this.#itemizes === 0) {
      const isSame = item.letters.trimEnd().length === 2;
      if (!item.isDirectory) this.#output.say(isSame ? `${item.name} is uptodate` : item.name);
      // One that is made, and known from another directory.
      else if (isSame && item.changes !== 0) this.#output.say(`${item.name}/ is uptodate`);
    }
  }

  /** rsync 3.5, log.c: maybe_log_item() */
  #isTold({ hardLinkTo, outcome }: PulledEntry, { letters, changes, isDirectory }: Item): boolean {
    const isSignificant = letters.trimEnd().length > 2;
    if (changes & ITEM.TRANSFER || (outcome === "hard-linked" && hardLinkTo !== undefined))
      return true;
    if (this.#itemizes > 1 || (this.#itemizes > 0 && this.#settings.info.name > 1)) return true;
    return isSignificant && (this.#itemizes > 0 || isDirectory || !letters.startsWith("."));
  }

  #deleted({ name, isDirectory }: DeletedEntry): void {
    const item: Item = {
      letters: "*deleting  ",
      operation: "del.",
      name,
      isDirectory,
      entry: undefined,
      hardLinkTo: undefined,
      checksum: undefined,
      changes: 0,
    };
    const plain = `deleting ${name}${isDirectory ? "/" : ""}`;
    const lineOf = (format: string): string =>
      formatHas(format, "io") ? formatItem(format, item, this.#context) : plain;
    if (this.#format !== undefined) this.#output.say(lineOf(this.#format));
    else if (this.#settings.info.del > 0) this.#output.say(plain);
    if (this.#logFormat !== undefined && !this.#settings.flags.has("dryRun")) {
      this.#output.log(lineOf(this.#logFormat));
    }
  }

  #say(item: Item): void {
    if (this.#format !== undefined) this.#output.say(formatItem(this.#format, item, this.#context));
  }

  #log(item: Item): void {
    if (this.#logFormat !== undefined && this.#logFormat !== "") {
      this.#output.log(formatItem(this.#logFormat, item, this.#context));
    }
  }

  #itemOf(pulled: PulledEntry): Item {
    const { entry, changes, hardLinkTo, outcome } = pulled;
    const letters = itemize(pulled, this.#timeOptions) ?? itemizeUnchanged(pulled);
    return {
      ...nameOf(entry),
      letters: this.#tellsDifferences ? letters : withoutDifferences(letters),
      operation: this.#way.isLocal ? "send" : "recv",
      entry,
      hardLinkTo: outcome === "unchanged" ? undefined : hardLinkTo,
      checksum: pulled.checksum,
      changes,
    };
  }

  /** A file has come. */
  #came(started: StartedTransfer): void {
    const { info } = this.#settings;
    this.#doneBytes += started.entry.size;
    if (info.progress === 1) {
      this.#output.sayOver(this.#lines.finishFile(started.entry.size, this.#counts(started)));
    } else if (info.progress > 1) {
      this.#total(started);
    }
  }

  #total(at: Position): void {
    this.#output.sayOver(this.#lines.total(this.#doneBytes, at.totalBytes, this.#counts(at)));
  }

  #moves(progress: PullProgress): void {
    const { file } = progress;
    if (file === undefined || this.#started === undefined) return;
    if (this.#settings.info.progress === 1) {
      this.#overwrite(this.#lines.update(file.doneBytes, file.size));
    } else this.#moved(file.doneBytes);
  }

  /** How far all is, while a file comes. */
  #moved(fileBytes: number): void {
    const size = this.#started?.totalBytes ?? 0;
    this.#overwrite(this.#lines.update(this.#doneBytes + fileBytes, size));
  }

  #counts({ listed, remaining, listComplete }: Omit<Position, "totalBytes">): string {
    return `xfr#${this.#files}, ${listComplete ? "to" : "ir"}-chk=${remaining}/${listed}`;
  }

  #overwrite(line: string | undefined): void {
    if (line !== undefined) this.#output.sayOver(line);
  }

  /** Without directories nothing is worth a list. */
  #mayHaveList(): boolean {
    const { flags, filesFrom } = this.#settings;
    return (
      flags.has("recursive") || flags.has("dirs") || filesFrom !== undefined || this.#isListOnly
    );
  }
}

/** Sizes: protocol reference, checksum names. rsync prints xxHash sums as numbers, most significant byte first. */
function describeChecksum(
  name: string,
  protocol: number,
): Pick<FormatContext, "checksumDigits" | "isReversed" | "tellsChecksums"> {
  const isReversed = name.startsWith("xxh");
  const digits = name === "xxh3" || name === "xxh64" ? 16 : name === "sha1" ? 40 : 32;
  return { checksumDigits: digits, isReversed, tellsChecksums: protocol >= 30 };
}

/** What stands for the letters of an entry that is as it was. */
function itemizeUnchanged({ entry, outcome, changes, hardLinkTo }: PulledEntry): string {
  const { isDirectory } = nameOf(entry);
  const kind = isDirectory
    ? "d"
    : isSymlink(entry)
      ? "L"
      : isRegularFile(entry)
        ? "f"
        : kindOf(entry.mode);
  const isMade = (changes & ITEM.LOCAL_CHANGE) !== 0;
  const isLinked = outcome === "linked" || hardLinkTo !== undefined;
  return `${isLinked ? "h" : isMade ? "c" : "."}${kind}         `;
}

/** What rsync prints below protocol 29: of files that come nothing is known, and links are said to get no times. */
function withoutDifferences(letters: string): string {
  if (letters.startsWith(">")) return letters.slice(0, 2).padEnd(letters.length, "?");
  return letters[1] === "L" && letters[4] === "t"
    ? `${letters.slice(0, 4)}T${letters.slice(5)}`
    : letters;
}

function kindOf(mode: number): string {
  const type = mode & 0o170000;
  return type === 0o020000 || type === 0o060000 ? "D" : "S";
}
