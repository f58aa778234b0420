import { setImmediate as nextTurn } from "node:timers/promises";
import { REMOVE_DEPTH_LIMIT, REMOVE_SLICE_ENTRIES } from "./constants.ts";
import type { DirectoryHandle } from "./directory-handle.ts";
import { errorCode } from "./errors.ts";

/** One directory on the way down. */
interface Level {
  readonly parent: DirectoryHandle;
  readonly name: Uint8Array;
  readonly handle: DirectoryHandle;
  names: Buffer[];
  /** How often the directory was read again because something appeared in it. */
  rescans: number;
}

/** Somebody who keeps adding files must not keep us for ever. */
const RESCAN_LIMIT = 16;

/** Removes `name` in `parent` step by step: one yield for each slice of entries. Generators end their `finally` when abandoned. */
export function* removeSteps(parent: DirectoryHandle, name: Uint8Array): Generator<void, void> {
  if (removeFile(parent, name)) return;
  const levels: Level[] = [];
  let moved = 0;
  let removed = 0;
  try {
    levels.push(openLevel(parent, name));
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const next = level.names.pop();
      if (next === undefined) {
        if (closeLevel(level)) levels.pop();
      } else if (!removeFile(level.handle, next)) {
        const top = levels[0] ?? level;
        if (levels.length < REMOVE_DEPTH_LIMIT) levels.push(openLevel(level.handle, next));
        else {
          const place = moveUp(level.handle, next, top.handle, moved);
          moved = place.number + 1;
          top.names.push(place.name);
        }
      }
      removed += 1;
      if (removed % REMOVE_SLICE_ENTRIES === 0) yield;
    }
  } finally {
    for (const level of levels) level.handle.close();
  }
}

/** Runs all steps at once. */
export function drain(steps: Generator<void, void>): void {
  while (steps.next().done !== true);
}

/** Runs the steps with a turn of the event loop after each. */
export async function drainInSlices(
  steps: Generator<void, void>,
  signal?: AbortSignal,
): Promise<void> {
  try {
    while (steps.next().done !== true) {
      await nextTurn();
      signal?.throwIfAborted();
    }
  } finally {
    steps.return();
  }
}

/** False when the entry is a directory; an entry that is gone counts as removed. */
function removeFile(directory: DirectoryHandle, name: Uint8Array): boolean {
  try {
    withWritePermission(directory, () => directory.unlink(name));
    return true;
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT") return true;
    if (code === "EISDIR") return false;
    // POSIX lets unlink of a directory be EPERM.
    const stat = code === "EPERM" ? directory.lstat(name) : undefined;
    if (stat !== undefined && (stat.mode & 0o170000) === 0o040000) return false;
    throw error;
  }
}

function openLevel(parent: DirectoryHandle, name: Uint8Array): Level {
  let handle: DirectoryHandle;
  try {
    handle = parent.openDirectory(name);
  } catch (error) {
    if (errorCode(error) !== "EACCES") throw error;
    parent.chmod(name, 0o700);
    handle = parent.openDirectory(name);
  }
  try {
    return { parent, name, handle, names: handle.names(), rescans: 0 };
  } catch (error) {
    handle.close();
    throw error;
  }
}

/** True when the emptied directory is gone. */
function closeLevel(level: Level): boolean {
  try {
    withWritePermission(level.parent, () => level.parent.rmdir(level.name));
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOTEMPTY" && level.rescans < RESCAN_LIMIT) {
      level.rescans += 1;
      level.names = level.handle.names();
      return false;
    }
    if (code === "ENOTDIR") level.parent.unlink(level.name);
    else if (code !== "ENOENT") throw error;
  }
  level.handle.close();
  return true;
}

/** Brings a directory that lies too deep to the top of the tree, so that few descriptors reach any depth. */
function moveUp(
  from: DirectoryHandle,
  name: Uint8Array,
  top: DirectoryHandle,
  first: number,
): { readonly name: Buffer; readonly number: number } {
  for (let number = first; ; number++) {
    const place = Buffer.from(`.removing-${number}`);
    try {
      withWritePermission(top, () =>
        withWritePermission(from, () => from.rename(name, top, place)),
      );
      return { name: place, number };
    } catch (error) {
      const code = errorCode(error);
      if (code === "EACCES") {
        // Moving a directory rewrites its `..`, for which it must be writable itself.
        from.chmod(name, 0o700);
        from.rename(name, top, place);
        return { name: place, number };
      }
      if (code !== "ENOTEMPTY" && code !== "EEXIST" && code !== "ENOTDIR") throw error;
    }
  }
}

/** Tries once more with write permission on the directory when the first try was refused. */
function withWritePermission(directory: DirectoryHandle, action: () => void): void {
  try {
    action();
  } catch (error) {
    if (errorCode(error) !== "EACCES") throw error;
    directory.chmodSelf(0o700);
    action();
  }
}
