import { existsSync } from "node:fs";
import { type DirectoryHandle, errorCode } from "@dialhome/posix-fs";
import { STORE_NAMES } from "./constants.ts";
import { ensureDirectory, temporaryName } from "./durable-files.ts";
import { parsePartialName, parseSnapshotId, type SnapshotId } from "./snapshot-id.ts";

const TEMPORARY = /^\.(?:new|latest)\.(\d+)\.[0-9a-f]{13,}$/;
const LATEST = Buffer.from(STORE_NAMES.latest);

/** The published snapshots of a machine's directory, oldest first. Everything else in it is no snapshot. */
export function publishedIds(machine: DirectoryHandle): SnapshotId[] {
  const ids: SnapshotId[] = [];
  for (const name of machine.names()) {
    const id = parseSnapshotId(name.toString("latin1"));
    if (id !== undefined) ids.push(id);
  }
  return ids.toSorted((a, b) => a.sequence - b.sequence || (a.id < b.id ? -1 : 1));
}

/** The numbers of unfinished pulls, in no order. */
export function partialNumbers(machine: DirectoryHandle): number[] {
  return machine
    .names()
    .map((name) => parsePartialName(name.toString("latin1")))
    .filter((sequence) => sequence !== undefined);
}

/** Lets `latest` point to a snapshot; whoever reads it sees the old one or the new one. */
export function pointLatestAt(machine: DirectoryHandle, id: string): void {
  try {
    if (machine.readlink(LATEST).toString("latin1") === id) return;
  } catch (error) {
    const code = errorCode(error);
    if (code !== "ENOENT" && code !== "EINVAL") throw error;
  }
  const temporary = temporaryName("latest");
  machine.symlink(Buffer.from(id), temporary);
  machine.rename(temporary, machine, LATEST);
  machine.fsync();
}

/** Takes a directory out of sight at once, and removes it then. Killed in between, {@link emptyTrash} ends it. */
export async function discard(machine: DirectoryHandle, name: Buffer): Promise<void> {
  using trash = ensureDirectory(machine, STORE_NAMES.trash);
  const place = temporaryName("removed");
  try {
    machine.rename(name, trash, place);
  } catch (error) {
    if (errorCode(error) === "EACCES") {
      // Moving a directory rewrites its `..`, for which its owner must be allowed to write to it.
      machine.chmod(name, 0o700);
      machine.rename(name, trash, place);
    } else if (errorCode(error) === "ENOENT") {
      return;
    } else {
      throw error;
    }
  }
  await trash.removeTreeInSlices(place);
}

/** Removes what an earlier run had thrown away, and the temporary files of processes that are gone. Only under the machine's lock. */
export async function emptyTrash(machine: DirectoryHandle, signal?: AbortSignal): Promise<void> {
  for (const name of machine.names()) {
    const match = TEMPORARY.exec(name.toString("latin1"));
    if (match !== null && !existsSync(`/proc/${match[1]}`)) await machine.removeTreeInSlices(name);
  }
  using trash = ensureDirectory(machine, STORE_NAMES.trash);
  for (const name of trash.names()) await trash.removeTreeInSlices(name, signal);
}
