import { type DirectoryHandle, errorCode } from "@dialhome/posix-fs";
import * as v from "valibot";
import { STORE_NAMES } from "./constants.ts";
import { DigestTable } from "./digest-table.ts";
import { readSmallFile, removeIfThere, replaceFile } from "./durable-files.ts";
import { StoreError } from "./errors.ts";
import { discard, partialNumbers } from "./machine-directory.ts";
import { bootId } from "./machine-lock.ts";
import { formatPartialName } from "./snapshot-id.ts";

const STATE = Buffer.from("state.json");
const StateSchema = v.object({ boot: v.string(), flushed: v.boolean() });

/** An earlier pull that did not end, whose files can be taken over. */
export interface ResumeBasis {
  readonly directory: DirectoryHandle;
  readonly name: string;
  /** Digests of the files that it had recorded. */
  readonly digests: DigestTable;
}

/** Notes in which run of the machine a partial was written, and whether all of it was brought to the disk since. */
export function writePartialState(partial: DirectoryHandle, flushed: boolean): void {
  const state: v.InferOutput<typeof StateSchema> = { boot: bootId(), flushed };
  replaceFile(partial, STATE, JSON.stringify(state));
}

/** Removes the note: a snapshot has none. */
export function removePartialState(partial: DirectoryHandle): void {
  removeIfThere(partial, STATE);
}

/**
 * Whether a partial's files are what they were written as. After a power cut a file may have its size and time but not
 * its content, and no quick check would see it: such a partial is of no use.
 */
function isTrustworthy(partial: DirectoryHandle): boolean {
  const content = readSmallFile(partial, STATE.toString());
  if (content === undefined) return false;
  try {
    const parsed = v.safeParse(StateSchema, JSON.parse(content.toString()));
    return parsed.success && (parsed.output.flushed || parsed.output.boot === bootId());
  } catch {
    return false;
  }
}

/** Keeps the unfinished pull that came farthest, and removes the others. Only under the machine's lock. */
export async function openResumeBasis(
  machine: DirectoryHandle,
  signal?: AbortSignal,
): Promise<ResumeBasis | undefined> {
  let best: { readonly name: string; readonly size: number } | undefined;
  for (const sequence of partialNumbers(machine).toSorted((a, b) => b - a)) {
    const name = formatPartialName(sequence);
    const size = trustworthySize(machine, name);
    if (size === undefined || (best !== undefined && size <= best.size)) {
      await discard(machine, Buffer.from(name));
    } else {
      if (best !== undefined) await discard(machine, Buffer.from(best.name));
      best = { name, size };
    }
  }
  if (best === undefined) return undefined;
  const directory = machine.openDirectory(Buffer.from(best.name));
  try {
    return { directory, name: best.name, digests: await loadCutOff(directory, signal) };
  } catch (error) {
    directory.close();
    throw error;
  }
}

/** Bytes of its manifest, which tell how far it came; undefined when it is of no use. */
function trustworthySize(machine: DirectoryHandle, name: string): number | undefined {
  try {
    using partial = machine.openDirectory(Buffer.from(name));
    if (!isTrustworthy(partial)) return undefined;
    if (partial.lstat(Buffer.from(STORE_NAMES.data)) === undefined) return undefined;
    return partial.lstat(Buffer.from(STORE_NAMES.manifest))?.size ?? 0;
  } catch (error) {
    if (errorCode(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

/** The digests of a manifest that was cut off anywhere. */
async function loadCutOff(partial: DirectoryHandle, signal?: AbortSignal): Promise<DigestTable> {
  const table = new DigestTable();
  try {
    await table.load(partial, signal);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== "ERR_STORE_CORRUPT") throw error;
  }
  return table;
}
