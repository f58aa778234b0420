import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { RsyncError } from "@dialhome/rsync-protocol";
import type { FilesFrom } from "@dialhome/rsync-protocol-client";
import { latin1 } from "../argument-bytes.ts";
import { reasonOf } from "../errors.ts";
import type { CommandIo } from "../io.ts";
import { syntaxError } from "./errors.ts";
import type { RsyncSettings } from "./settings.ts";
import type { RsyncSource } from "./source.ts";

/** Bytes of a list of files that are read at most: some millions of names. */
const LIST_BYTES_LIMIT = 256 * 1024 * 1024;

/** What `--files-from` says: `FILE`, `-`, or for a file at the far end `:FILE` and `HOST:FILE`. */
export async function readFilesFrom(
  { filesFrom, flags }: RsyncSettings,
  source: RsyncSource,
  io: CommandIo,
): Promise<FilesFrom | undefined> {
  if (filesFrom === undefined) return undefined;
  const from0 = flags.has("from0");
  if (source.is !== "local" && source.paths.length > 1) {
    throw syntaxError("--files-from goes with one source");
  }
  const remote = /^(?<host>(?:\[[^\]/]+\]|[^:/]*)):(?<path>.*)$/s.exec(filesFrom)?.groups;
  if (remote !== undefined) {
    if (source.is === "local") {
      throw syntaxError("--files-from cannot be remote when the transfer is local");
    }
    const host = (remote["host"] ?? "").replace(/^.*@/, "").replace(/^\[|\]$/g, "");
    if (host !== "" && host !== source.host) {
      throw syntaxError("--files-from hostname is not the same as the transfer hostname");
    }
    return { remote: latin1(remote["path"] ?? ""), from0 };
  }
  const text =
    filesFrom === "-"
      ? await readAll(io)
      : readListFile(resolve(io.cwd, filesFrom), filesFrom).toString("latin1");
  const names = text.split(from0 ? "\0" : /[\r\n\0]/).filter((name) => name !== "");
  // As rsync: only who reads the list itself passes over comments, and behind a shell or a daemon that is not this side.
  return { names: source.is === "local" ? names.filter((name) => !/^[;#]/.test(name)) : names };
}

function readListFile(path: string, shown: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw syntaxError(`failed to open files-from file ${shown}: ${reasonOf(cause)}`);
  }
}

async function readAll({ stdin }: CommandIo): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stdin) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk), "utf8");
    chunks.push(bytes);
    length += bytes.length;
    if (length > LIST_BYTES_LIMIT) {
      const message = `more than ${LIST_BYTES_LIMIT} bytes of names on standard input`;
      throw new RsyncError("ERR_RSYNC_LIMIT", message);
    }
  }
  return Buffer.concat(chunks).toString("latin1");
}
