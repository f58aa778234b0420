import { type FileEntry, isMissing, isSymlink, MODE } from "@dialhome/rsync-protocol";
import { formatNumber } from "./numbers.ts";

/** A line of `--list-only`, latin1. */
export function formatListed(entry: FileEntry, human: number): string {
  const size = formatNumber(entry.size, human).padStart(human > 0 ? 14 : 11);
  if (isMissing(entry)) return `${"*missing".padEnd(size.length + 31)} ${entry.name}`;
  const { linkTarget = "" } = entry;
  const target = isSymlink(entry) && linkTarget !== "" ? ` -> ${linkTarget}` : "";
  return `${formatMode(entry.mode)} ${size} ${formatTimestamp(entry.mtime)} ${entry.name}${target}`;
}

const TYPE_LETTERS: ReadonlyMap<number, string> = new Map([
  [MODE.DIRECTORY, "d"],
  [MODE.SYMLINK, "l"],
  [MODE.BLOCK, "b"],
  [MODE.CHARACTER, "c"],
  [MODE.FIFO, "p"],
  [MODE.SOCKET, "s"],
]);

/** Ten letters as of ls(1). */
export function formatMode(mode: number): string {
  const letters = Array.from("rwxrwxrwx").map((letter, at) =>
    mode & (0o400 >> at) ? letter : "-",
  );
  const special = (bit: number, at: number, letter: string): void => {
    if (mode & bit) letters[at] = letters[at] === "x" ? letter : letter.toUpperCase();
  };
  special(0o4000, 2, "s");
  special(0o2000, 5, "s");
  special(0o1000, 8, "t");
  return `${TYPE_LETTERS.get(mode & MODE.TYPE_MASK) ?? "-"}${letters.join("")}`;
}

/** `YYYY/MM/DD HH:MM:SS` in the local time zone. */
export function formatTimestamp(seconds: number): string {
  const time = new Date(seconds * 1000);
  if (Number.isNaN(time.getTime())) return "????/??/?? ??:??:??";
  const day = `${time.getFullYear()}/${two(time.getMonth() + 1)}/${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
