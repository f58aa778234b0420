import { printable, StoreError } from "./errors.ts";
import { isTreePath } from "./manifest-entry.ts";
import { isRoot } from "./tree-cursor.ts";

const SLASH = 0x2f;

/** How an entry concerns a selection: it is in it, or a directory on the way to it. */
export type Selected = "selected" | "ancestor" | undefined;

/** Paths of a snapshot that are wanted, each with all below it. */
export class RestoreSelection {
  readonly #paths: readonly Buffer[];
  readonly #found = new Set<Buffer>();

  /** Leading and trailing slashes and `./` are taken off; no path, or `.`, wants everything. Throws `ERR_STORE_NOT_FOUND` for `..`. */
  constructor(paths: readonly (string | Buffer)[] = []) {
    const cleaned = paths.map(clean);
    this.#paths = cleaned.some(isRoot) ? [] : cleaned;
  }

  /** Whether everything is wanted. */
  get isEverything(): boolean {
    return this.#paths.length === 0;
  }

  /** How an entry concerns it. Notes which paths were found. */
  classify(path: Buffer): Selected {
    if (this.#paths.length === 0) return "selected";
    let result: Selected;
    for (const wanted of this.#paths) {
      if (isAtOrBelow(path, wanted)) {
        this.#found.add(wanted);
        return "selected";
      }
      if (isAtOrBelow(wanted, path)) result = "ancestor";
    }
    return result;
  }

  /** Throws `ERR_STORE_NOT_FOUND` naming the first path that no entry had. */
  assertFound(): void {
    const missing = this.#paths.find((path) => !this.#found.has(path));
    if (missing === undefined) return;
    throw new StoreError("ERR_STORE_NOT_FOUND", `the snapshot has no "${printable(missing)}"`);
  }
}

function isAtOrBelow(path: Buffer, directory: Buffer): boolean {
  const { length } = directory;
  if (path.length < length || path.compare(directory, 0, length, 0, length) !== 0) return false;
  return path.length === length || path[length] === SLASH;
}

function clean(path: string | Buffer): Buffer {
  const bytes = Buffer.from(path);
  let start = 0;
  let end = bytes.length;
  for (;;) {
    if (bytes[start] === SLASH) start += 1;
    else if (bytes[start] === 0x2e && bytes[start + 1] === SLASH) start += 2;
    else break;
  }
  while (end > start && bytes[end - 1] === SLASH) end -= 1;
  const cleaned = start >= end && bytes.length > 0 ? Buffer.from(".") : bytes.subarray(start, end);
  if (!isTreePath(cleaned)) {
    throw new StoreError(
      "ERR_STORE_NOT_FOUND",
      `"${printable(bytes)}" is no path within a snapshot`,
    );
  }
  return cleaned;
}
