import {
  type FileEntry,
  ITEM,
  isDirectory,
  isRegularFile,
  isSymlink,
} from "@dialhome/rsync-protocol";
import type { OwnerHere } from "@dialhome/rsync-protocol-client";
import { unsupportedError } from "./errors.ts";
import { formatMode, formatTimestamp } from "./listing.ts";
import { formatNumber } from "./numbers.ts";

/** What a line of `--out-format` or `--log-file-format` can tell. Text is latin1. */
export interface Item {
  /** The eleven letters. */
  readonly letters: string;
  readonly operation: "recv" | "send" | "del.";
  readonly name: string;
  readonly isDirectory: boolean;
  /** Undefined for something that was deleted. */
  readonly entry: FileEntry | undefined;
  /** Name of the file that it is a hard link to. */
  readonly hardLinkTo: string | undefined;
  /** The content's checksum, where one is known. */
  readonly checksum: Uint8Array | undefined;
  /** `ITEM` bits. */
  readonly changes: number;
}

/** What the session says for the escapes that are not of an entry. */
export interface FormatContext {
  readonly keepsOwner: boolean;
  readonly keepsGroup: boolean;
  /** Whose an entry is where it goes. */
  readonly ownerOf: (entry: FileEntry) => OwnerHere;
  /** Hex digits that a checksum of the session has. */
  readonly checksumDigits: number;
  /** Whether rsync prints this checksum's bytes in the opposite order: those of xxHash. */
  readonly isReversed: boolean;
  /** Those of old protocols are not told. */
  readonly tellsChecksums: boolean;
  /** Nothing is transferred. */
  readonly isDryRun: boolean;
}

/** One escape: quotes (separators, units), a width, a letter; rsyncd.conf(5), `log format`. */
const ESCAPE = /%('*)(-?\d*)('*)([a-zA-Z%])/g;

/** @throws RsyncError with exit code 4 for an escape that is not known here */
export function assertFormat(format: string): void {
  for (const [escape, , , , letter = ""] of format.matchAll(ESCAPE)) {
    if (letter === "b" || letter === "c") {
      throw unsupportedError(`${escape} in a format: bytes on the wire are not told file by file`);
    }
  }
}

/** Whether a format has one of these escapes. */
export function formatHas(format: string, letters: string): boolean {
  for (const [, , , , letter = ""] of format.matchAll(ESCAPE)) {
    if (letters.includes(letter)) return true;
  }
  return false;
}

/** A line in a format. What a letter means nothing for is left as it stands. */
export function formatItem(format: string, item: Item, context: FormatContext): string {
  return format.replace(
    ESCAPE,
    (escape, before: string, width: string, after: string, letter: string) => {
      const text = valueOf(letter, item, context, (before + after).length);
      return text === undefined ? escape : pad(text, width, letter);
    },
  );
}

function valueOf(
  letter: string,
  item: Item,
  context: FormatContext,
  human: number,
): string | undefined {
  const { entry, name } = item;
  switch (letter) {
    case "i":
      return item.letters;
    case "n":
      return item.isDirectory ? `${name}/` : name;
    case "f":
      return name.replace(/^\//, "");
    case "L":
      if (item.hardLinkTo !== undefined) return ` => ${item.hardLinkTo}`;
      return entry !== undefined && isSymlink(entry) ? ` -> ${entry.linkTarget ?? ""}` : "";
    case "o":
      return item.operation;
    case "l":
      return formatNumber(entry?.size ?? 0, human);
    case "U":
      return String(context.keepsOwner && entry !== undefined ? context.ownerOf(entry).uid : 0);
    case "G":
      if (!context.keepsGroup) return "DEFAULT";
      return entry === undefined ? "0" : String(context.ownerOf(entry).gid ?? "DEFAULT");
    case "M":
      return formatTimestamp(entry?.mtime ?? 0).replace(" ", "-");
    case "B":
      return formatMode(entry?.mode ?? 0).slice(1);
    case "C":
      return checksumOf(item, context);
    case "t":
      return formatTimestamp(Date.now() / 1000);
    case "p":
      return String(process.pid);
    case "m":
      // A client has no module of its own.
      return "";
    case "%":
      return "%";
    default:
      return undefined;
  }
}

function checksumOf({ entry, checksum, changes }: Item, context: FormatContext): string {
  const isTransfer = (changes & ITEM.TRANSFER) !== 0;
  const sum = entry?.checksum ?? (isTransfer ? checksum : undefined);
  if (!context.tellsChecksums) return " ".repeat(context.checksumDigits);
  if (sum === undefined && isTransfer && context.isDryRun)
    return "0".repeat(context.checksumDigits);
  if (entry === undefined || !isRegularFile(entry) || sum === undefined) {
    return " ".repeat(context.checksumDigits);
  }
  return Buffer.from(context.isReversed ? sum.toReversed() : sum).toString("hex");
}

function pad(text: string, width: string, letter: string): string {
  if (width === "") return text;
  const columns = Math.min(4096, Math.abs(Number(width)));
  // rsync's arrow stands before the column.
  const [arrow, rest] = letter === "L" ? [text.slice(0, 4).padEnd(4), text.slice(4)] : ["", text];
  return `${arrow}${width.startsWith("-") ? rest.padEnd(columns) : rest.padStart(columns)}`;
}

/** Whether an entry is a directory, and its name without the slash. */
export function nameOf(entry: FileEntry): Pick<Item, "name" | "isDirectory"> {
  return { name: entry.name, isDirectory: isDirectory(entry) };
}
