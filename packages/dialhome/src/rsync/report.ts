import {
  type DeletedEntry,
  displayName,
  itemize,
  type PulledEntry,
  type PullMessage,
  type PullProgress,
  type PullSummary,
} from "@dialhome/rsync-protocol-client";
import type { CommandIo } from "../io.ts";
import { printableBytes } from "../terminal/printable.ts";
import { PullEstimate } from "../terminal/pull-estimate.ts";
import { formatNumber, formatRate } from "./numbers.ts";
import type { RsyncSettings } from "./settings.ts";
import { formatStatistics, formatTotals } from "./totals.ts";

/** Tells a transfer in rsync's own lines. */
export class RsyncReport {
  readonly #settings: RsyncSettings;
  readonly #io: CommandIo;
  readonly #startedAt: number;
  readonly #names: number;
  readonly #isQuiet: boolean;
  readonly #showsProgress: boolean;
  readonly #timeOptions: { times: boolean; omitDirTimes: boolean; omitLinkTimes: boolean };
  readonly #estimate = new PullEstimate();
  #progressShown = false;
  #transferred = 0;

  constructor(settings: RsyncSettings, io: CommandIo, startedAt: number) {
    const { flags, verbose, nameLevel } = settings;
    this.#settings = settings;
    this.#io = io;
    this.#startedAt = startedAt;
    this.#isQuiet = flags.has("quiet");
    this.#timeOptions = {
      times: flags.has("times"),
      omitDirTimes: flags.has("omitDirTimes"),
      omitLinkTimes: flags.has("omitLinkTimes"),
    };
    const implied = flags.has("progress") ? Math.max(1, verbose) : verbose;
    this.#names = nameLevel ?? implied;
    this.#showsProgress = (flags.has("progress") || settings.totalProgress) && !this.#isQuiet;
  }

  /** Before anything else. */
  begin(created: string | undefined): void {
    const { flags, verbose } = this.#settings;
    if (verbose === 0 && !flags.has("progress")) return;
    this.#say("receiving incremental file list");
    if (created !== undefined) this.#say(`created directory ${created}`);
  }

  readonly onEntry = (pulled: PulledEntry): void => {
    const letters = itemize(pulled, this.#timeOptions);
    if (letters?.startsWith(">") === true) this.#transferred += 1;
    const { flags, verbose } = this.#settings;
    const name = printableBytes(displayName(pulled.entry));
    if (flags.has("itemize")) {
      if (letters !== undefined || verbose > 1) {
        this.#say(`${letters ?? itemizeUnchanged(pulled)} ${name}${linkOf(pulled)}`);
      }
      return;
    }
    if (this.#names === 0) return;
    // Attributes alone are told from -vv on, as are files that are as they were.
    const isTold = letters !== undefined && !letters.startsWith(".");
    if (isTold || isChangedDirectory(pulled, letters)) this.#say(`${name}${linkOf(pulled)}`);
    else if (this.#names > 1 && letters === undefined) this.#say(`${name} is uptodate`);
  };

  readonly onDelete = ({ name, isDirectory }: DeletedEntry): void => {
    const shown = `${printableBytes(name)}${isDirectory ? "/" : ""}`;
    if (this.#settings.flags.has("itemize")) this.#say(`*deleting   ${shown}`);
    else if (this.#names > 0) this.#say(`deleting ${shown}`);
  };

  readonly onMessage = ({ level, text, fromPeer }: PullMessage): void => {
    // rsync tells of them with the names of files.
    if (!fromPeer && this.#names === 0 && text.startsWith("ignoring unsafe symlink")) return;
    const shown = printableBytes(text);
    if (level === "info") this.#say(shown);
    else this.complain(shown.replace(/^rsync: /, ""));
  };

  readonly onProgress = (progress: PullProgress): void => {
    if (!this.#showsProgress) return;
    const { entries, finished, listComplete, totalBytes } = progress;
    const done = this.#estimate.update(progress);
    const seconds = Math.max(0.001, (performance.now() - this.#startedAt) / 1000);
    const percent = totalBytes === 0 ? 0 : Math.floor((100 * done) / totalBytes);
    const bytes = formatNumber(done, this.#settings.human).padStart(15);
    const rate = formatSpeed(done / seconds).padStart(12);
    const check = `${listComplete ? "to" : "ir"}-chk=${entries - finished}/${entries}`;
    const line = `${bytes} ${String(percent).padStart(3)}% ${rate} ${formatDuration(seconds)} (xfr#${this.#transferred}, ${check})`;
    this.#io.stdout.write(`\r${line}`);
    this.#progressShown = true;
  };

  complain(text: string): void {
    this.#endProgress();
    this.#io.stderr.write(`dialhome: ${text}\n`);
  }

  /** After everything else. */
  end(summary: PullSummary): void {
    this.#endProgress();
    const { flags, human, verbose } = this.#settings;
    const elapsedMs = performance.now() - this.#startedAt;
    if (flags.has("stats")) {
      this.#say("");
      for (const line of formatStatistics(summary, human)) this.#say(line);
    }
    if (!flags.has("stats") && verbose === 0) return;
    this.#say("");
    const isDryRun = flags.has("dryRun");
    for (const line of formatTotals(summary, elapsedMs, human, isDryRun)) this.#say(line);
  }

  #say(line: string): void {
    if (this.#isQuiet) return;
    this.#endProgress();
    this.#io.stdout.write(`${line}\n`);
  }

  #endProgress(): void {
    if (this.#progressShown) this.#io.stdout.write("\n");
    this.#progressShown = false;
  }
}

/** A directory whose attributes changed is named, a file is not. */
function isChangedDirectory(pulled: PulledEntry, letters: string | undefined): boolean {
  return letters?.startsWith(".d") === true && pulled.outcome === "unchanged";
}

function itemizeUnchanged({ entry }: PulledEntry): string {
  const kind = displayName(entry).endsWith("/") ? "d" : entry.linkTarget === undefined ? "f" : "L";
  return `.${kind}         `;
}

function linkOf({ hardLinkTo, outcome }: PulledEntry): string {
  return outcome === "hard-linked" && hardLinkTo !== undefined
    ? ` => ${printableBytes(hardLinkTo)}`
    : "";
}

function formatSpeed(bytesPerSecond: number): string {
  const kilobytes = bytesPerSecond / 1024;
  if (kilobytes < 1024) return `${formatRate(kilobytes, 0)}kB/s`;
  if (kilobytes < 1024 ** 2) return `${formatRate(kilobytes / 1024, 0)}MB/s`;
  return `${formatRate(kilobytes / 1024 ** 2, 0)}GB/s`;
}

function formatDuration(seconds: number): string {
  const whole = Math.floor(seconds);
  return `${String(Math.floor(whole / 3600)).padStart(4)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
