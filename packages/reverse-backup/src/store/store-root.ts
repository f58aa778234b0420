import * as fs from "node:fs";
import { DirectoryHandle, errorCode } from "@dialhome/posix-fs";
import { printable, StoreError, storeErrorOf } from "./errors.ts";
import { createStoreFile, readStoreFile, type StoreFile } from "./store-file.ts";

/** Opens the store's directory. Throws `ERR_STORE_MISSING` when it is missing or none. */
export function openRoot(root: string, create: boolean): DirectoryHandle {
  try {
    if (create) makeDirectory(root);
    return DirectoryHandle.open(root, { followLast: true });
  } catch (error) {
    const code = errorCode(error);
    const why =
      code === "ENOENT"
        ? "does not exist"
        : code === "ENOTDIR" || code === "EEXIST"
          ? "is no directory"
          : undefined;
    if (why === undefined) throw storeErrorOf(error, `cannot open the store ${printable(root)}`);
    throw new StoreError("ERR_STORE_MISSING", `the store ${printable(root)} ${why}`, {
      path: root,
      cause: error,
    });
  }
}

function makeDirectory(root: string): void {
  try {
    fs.mkdirSync(root, { mode: 0o700 });
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
  }
}

/** Makes a store of an empty directory. Throws `ERR_STORE_NOT_A_STORE` when it is not, or when that was not asked for. */
export function createStore(handle: DirectoryHandle, root: string, create: boolean): StoreFile {
  const foreign = handle
    .names()
    .some((name) => name.toString() !== "lost+found" && !name.toString().startsWith(".new."));
  const raced = foreign ? readStoreFile(handle, root) : undefined;
  if (raced !== undefined) return raced;
  if (!create || foreign) {
    throw new StoreError(
      "ERR_STORE_NOT_A_STORE",
      `${printable(root)} is no dialhome store${create ? " and not empty" : ""}`,
      { path: root },
    );
  }
  createStoreFile(handle, "hardlink", new Date());
  const file = readStoreFile(handle, root);
  if (file === undefined) throw new Error("store.json was made and is not there");
  return file;
}
