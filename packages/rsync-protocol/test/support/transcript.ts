import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** How a file of a recording is made again; see fixtures/transcripts/README.md. */
type Content =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "lines"; readonly format: string; readonly count: number }
  | { readonly kind: "sha256-counter"; readonly length: number }
  | { readonly kind: "edited"; readonly of: Content; readonly edits: readonly Edit[] };

type Edit =
  | { readonly op: "replace" | "insert"; readonly at: number; readonly hex: string }
  | { readonly op: "delete"; readonly at: number; readonly length: number };

/** One entry of the recorded module or destination; paths are latin1 views of bytes. */
export interface RecordedEntry {
  readonly path: string;
  readonly type: string;
  /** Octal, without type bits. */
  readonly mode: string;
  readonly mtime: number;
  readonly nsec: number;
  readonly uid: number;
  readonly gid: number;
  readonly size?: number;
  readonly sha256?: string;
  readonly target?: string;
  readonly content?: Content;
  /** Name → value, latin1. */
  readonly xattrs?: Readonly<Record<string, string>>;
}

type Chunk =
  | readonly [side: "c" | "s", offset: number, length: number]
  | readonly [side: "c" | "s", "eof"];

/** A recorded session: every byte of both directions, and what it was about. */
export interface Transcript {
  readonly name: string;
  readonly protocol: number;
  readonly checksum: string;
  readonly compression: string;
  readonly seed: number;
  readonly lists: number;
  readonly exitCode: number;
  readonly module: readonly RecordedEntry[];
  readonly destinationBefore?: readonly RecordedEntry[];
  readonly chunks: readonly Chunk[];
  readonly fromClient: Buffer;
  readonly fromServer: Buffer;
}

const FOLDER = new URL("../fixtures/transcripts/", import.meta.url);

export function readTranscript(name: string): Transcript {
  const facts = JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), "utf8"));
  return {
    ...facts,
    module: facts.module[0].kind === "grid" ? gridOf(facts.module[0]) : linked(facts.module),
    fromClient: readFileSync(new URL(`${name}.c2s.bin`, FOLDER)),
    fromServer: readFileSync(new URL(`${name}.s2c.bin`, FOLDER)),
  };
}

/** Gives a further name of a hard-linked file everything that its first name has. */
function linked(entries: readonly (RecordedEntry & { readonly to?: string })[]): RecordedEntry[] {
  return entries.map((entry) => {
    const first = entries.find(({ path }) => path === entry.to);
    return first === undefined ? entry : { ...first, path: entry.path };
  });
}

const two = (n: number): string => String(n).padStart(2, "0");

/** The tree that lookahead-32 describes in words: d00 to d29, in each f00 to f99 with five bytes. */
function gridOf(common: RecordedEntry): RecordedEntry[] {
  const { mtime, nsec, uid, gid } = common;
  const directory = { type: "dir", mode: "0755", mtime, nsec, uid, gid };
  const entries: RecordedEntry[] = [{ ...directory, path: "." }];
  for (let d = 0; d < 30; d++) {
    entries.push({ ...directory, path: `d${two(d)}` });
    for (let f = 0; f < 100; f++) {
      const content: Content = { kind: "text", text: `${two(d)}${two(f)}\n` };
      const path = `d${two(d)}/f${two(f)}`;
      entries.push({ ...directory, path, type: "file", mode: "0644", size: 5, content });
    }
  }
  return entries;
}

/** The bytes of a recorded file, proved by its recorded SHA-256 where there is one. */
export function contentOf(entry: RecordedEntry): Buffer {
  if (entry.content === undefined) throw new Error(`${entry.path} has no recorded content`);
  const bytes = make(entry.content);
  const { sha256 } = entry;
  if (sha256 !== undefined && createHash("sha256").update(bytes).digest("hex") !== sha256) {
    throw new Error(`${entry.path}: made again, it is not what was recorded`);
  }
  return bytes;
}

function make(content: Content): Buffer {
  switch (content.kind) {
    case "text":
      return Buffer.from(content.text, "latin1");
    case "lines": {
      const line = (n: number): string =>
        content.format.replace(/%0(\d+)d/, (_, width) => String(n).padStart(Number(width), "0"));
      return Buffer.from(Array.from({ length: content.count }, (_, n) => line(n)).join(""));
    }
    case "sha256-counter": {
      const blocks: Buffer[] = [];
      for (let n = 0; n * 32 < content.length; n++) {
        blocks.push(createHash("sha256").update(String(n)).digest());
      }
      return Buffer.concat(blocks).subarray(0, content.length);
    }
    case "edited":
      return content.edits.reduce(edited, make(content.of));
    default:
      throw new Error(`no such content: ${JSON.stringify(content satisfies never)}`);
  }
}

function edited(bytes: Buffer, edit: Edit): Buffer {
  const added = edit.op === "delete" ? Buffer.alloc(0) : Buffer.from(edit.hex, "hex");
  const removed = edit.op === "delete" ? edit.length : edit.op === "replace" ? added.length : 0;
  return Buffer.concat([bytes.subarray(0, edit.at), added, bytes.subarray(edit.at + removed)]);
}
