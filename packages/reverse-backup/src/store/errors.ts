import { errorCode } from "@dialhome/posix-fs";

/** What went wrong with a store, as a stable word. */
export type StoreErrorCode =
  /** The store's directory is missing or is no directory. */
  | "ERR_STORE_MISSING"
  /** The directory is no store. */
  | "ERR_STORE_NOT_A_STORE"
  /** A format version or a mode that this version does not know. */
  | "ERR_STORE_FORMAT"
  /** A machine's name or key that is not allowed. */
  | "ERR_STORE_NAME"
  /** The name belongs to another key, or the key has another name. */
  | "ERR_STORE_NAME_TAKEN"
  /** Another process, or another transaction, is at work for this machine. */
  | "ERR_STORE_BUSY"
  /** No space or no quota is left. */
  | "ERR_STORE_FULL"
  /** A file of the store is damaged. */
  | "ERR_STORE_CORRUPT"
  /** No such machine, snapshot or path. */
  | "ERR_STORE_NOT_FOUND"
  /** A selector fits several snapshots. */
  | "ERR_STORE_AMBIGUOUS"
  /** A restore would overwrite something. */
  | "ERR_STORE_EXISTS"
  /** A pull that may not be published, or a transaction that has ended. */
  | "ERR_STORE_STATE"
  /** A path, a line or a count is over its limit. */
  | "ERR_STORE_LIMIT"
  /** A file operation failed for another reason; see `cause`. */
  | "ERR_STORE_IO";

/** Facts that go with a {@link StoreError}. */
export interface StoreErrorDetails {
  /** The file or directory concerned. */
  readonly path?: string;
  /** What lies underneath. */
  readonly cause?: unknown;
}

/** The error class of the snapshot store. The message is one line. */
export class StoreError extends Error {
  readonly code: StoreErrorCode;
  readonly path: string | undefined;

  constructor(code: StoreErrorCode, message: string, details: StoreErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "StoreError";
    this.code = code;
    this.path = details.path;
  }
}

const FULL: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT"]);

/** A system call's error as a {@link StoreError}: `ERR_STORE_FULL` or `ERR_STORE_IO`. Any other error is given back as it is. */
export function storeErrorOf(error: unknown, doing: string): Error {
  const code = errorCode(error);
  if (error instanceof StoreError) return error;
  if (error instanceof Error && code !== undefined && /^E[A-Z0-9]+$/.test(code)) {
    const full = FULL.has(code);
    return new StoreError(
      full ? "ERR_STORE_FULL" : "ERR_STORE_IO",
      `${doing}: ${full ? "no space left" : firstLine(error.message)}`,
      { cause: error },
    );
  }
  return error instanceof Error ? error : new Error(`${doing}: ${String(error)}`);
}

/** Runs `action`, with errors of system calls translated by {@link storeErrorOf}. */
export function during<T>(doing: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw storeErrorOf(error, doing);
  }
}

/** Text from a file or a peer, safe for one line of a terminal: control characters escaped, cut at `limit`. */
export function printable(text: string | Uint8Array, limit = 200): string {
  const string = typeof text === "string" ? text : Buffer.from(text).toString();
  const escaped = string.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\ufffd]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
  return escaped.length > limit ? `${escaped.slice(0, limit)}…` : escaped;
}

function firstLine(message: string): string {
  return printable(message.split("\n", 1)[0] ?? "", 300);
}
