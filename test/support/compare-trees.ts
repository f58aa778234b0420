import { createHash } from "node:crypto";
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { requirePeer } from "./peers.ts";
import { runOk } from "./processes.ts";

/** What the two trees must agree in, besides types, names, contents, permissions and link targets. */
export interface CompareOptions {
  /** Owners and groups. @defaultValue true as root, else false */
  readonly owners?: boolean;
  /** Which names are the same file. @defaultValue true */
  readonly hardLinks?: boolean;
  /** Modification times: of everything, of everything but symbolic links or but folders, or none. @defaultValue "all" */
  readonly times?: "all" | "not-of-links" | "not-of-folders" | "none";
  /** Extended attributes, access control lists among them. @defaultValue false */
  readonly attributes?: boolean;
  /** Whether files have holes. @defaultValue false */
  readonly holes?: boolean;
  /** Modification times from then on, in ms since 1970, are of the run itself, and all alike. @defaultValue none are */
  readonly freshFromMs?: number;
}

/** What `st_blocks` counts. */
const BLOCK_BYTES = 512n;

const slash = Buffer.from("/");
const asText = (path: Buffer): string => JSON.stringify(path.toString("latin1"));

function typeOf(stats: BigIntStats): string {
  const type = stats.mode & 0o170000n;
  const names: Record<string, string> = {
    [String(0o040000)]: "folder",
    [String(0o100000)]: "file",
    [String(0o120000)]: "link",
    [String(0o010000)]: "fifo",
    [String(0o140000)]: "socket",
    [String(0o020000)]: "character device",
    [String(0o060000)]: "block device",
  };
  return names[String(type)] ?? "unknown";
}

/** Each extended attribute with its value, sorted. */
function attributesOf(path: Buffer): string[] {
  const last = path.lastIndexOf("/");
  using folder = DirectoryHandle.open(path.subarray(0, last));
  const name = path.subarray(last + 1);
  return folder
    .listXattrs(name)
    .toSorted()
    .map((attribute) => {
      const value = folder.getXattr(name, attribute) ?? Buffer.alloc(0);
      const shown = value.length > 64 ? createHash("sha256").update(value).digest() : value;
      return `${attribute}=${shown.toString("hex")}`;
    });
}

/** Entry by entry: relative path (latin1 of its bytes) → facts that must be equal. */
function describeTree(root: string, options: CompareOptions): Map<string, string> {
  const { owners = process.getuid?.() === 0, hardLinks = true, times = "all" } = options;
  const entries = new Map<string, string>();
  const links = new Map<string, string>();
  const visit = (path: Buffer, relative: Buffer): void => {
    const stats = lstatSync(path, { bigint: true });
    const type = typeOf(stats);
    const facts: string[] = [type];
    if (type !== "link") facts.push(`mode ${(stats.mode & 0o7777n).toString(8)}`);
    if (owners) facts.push(`owner ${stats.uid}:${stats.gid}`);
    const isTimed =
      times === "all" ||
      (times === "not-of-links" && type !== "link") ||
      (times === "not-of-folders" && type !== "folder");
    if (isTimed) {
      const { freshFromMs = Number.POSITIVE_INFINITY } = options;
      facts.push(`mtime ${stats.mtimeMs >= freshFromMs ? "of now" : stats.mtimeNs}`);
    }
    if (type === "file") {
      const sum = createHash("sha256").update(readFileSync(path)).digest("hex");
      facts.push(`${stats.size} bytes`, `sha256 ${sum}`);
      if (options.holes === true && stats.blocks * BLOCK_BYTES < stats.size) {
        facts.push(`${stats.blocks} blocks`);
      }
    }
    if (type === "link") facts.push(`-> ${asText(readlinkSync(path, "buffer"))}`);
    if (options.attributes === true) facts.push(...attributesOf(path));
    if (type.endsWith("device")) facts.push(`number ${stats.rdev}`);
    if (hardLinks && type !== "folder" && stats.nlink > 1n) {
      const id = `${stats.dev}:${stats.ino}`;
      const first = links.get(id);
      if (first === undefined) links.set(id, asText(relative));
      else facts.push(`same file as ${first}`);
    }
    entries.set(asText(relative), facts.join(", "));
    if (type !== "folder") return;
    for (const name of readdirSync(path, "buffer").toSorted((a, b) => a.compare(b))) {
      visit(Buffer.concat([path, slash, name]), Buffer.concat([relative, slash, name]));
    }
  };
  visit(Buffer.from(root), Buffer.from("."));
  return entries;
}

/** Differences of two trees by our own reading of them (lstat, readlink, SHA-256), one line each; empty when equal. */
export function treeDifferences(
  expected: string,
  actual: string,
  options: CompareOptions = {},
): string[] {
  const wanted = describeTree(expected, options);
  const found = describeTree(actual, options);
  const lines: string[] = [];
  for (const [path, facts] of wanted) {
    const other = found.get(path);
    if (other === undefined) lines.push(`${path}: missing (${facts})`);
    else if (other !== facts) lines.push(`${path}: ${other}; expected ${facts}`);
  }
  for (const [path, facts] of found)
    if (!wanted.has(path)) lines.push(`${path}: too much (${facts})`);
  return lines;
}

/** What the real rsync would change to make `actual` equal to `expected`; empty when it would change nothing. */
export async function rsyncDifferences(expected: string, actual: string): Promise<string> {
  const args = [
    "-naHDc",
    "--numeric-ids",
    "--itemize-changes",
    "--delete",
    `${expected}/`,
    `${actual}/`,
  ];
  return runOk(requirePeer("rsync"), args);
}

/** Throws, naming the first differences, unless both the real rsync and our own reading find the trees equal. */
export async function assertEqualTrees(
  expected: string,
  actual: string,
  options: CompareOptions = {},
): Promise<void> {
  const ours = treeDifferences(expected, actual, options);
  const real = await rsyncDifferences(expected, actual);
  if (ours.length === 0 && real === "") return;
  const shown = ours.slice(0, 20).join("\n");
  throw new Error(
    `${actual} differs from ${expected}:\n${shown}\nrsync would change:\n${real.slice(0, 4_000)}`,
  );
}
