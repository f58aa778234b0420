import { errorCode } from "@dialhome/posix-fs";
import { IO_ERROR, LIMITS, RsyncError, TAG, type Wire } from "@dialhome/rsync-protocol";
import type { Log } from "./options.ts";

/** Tells the client what went wrong without ending the session, and keeps the I/O error bits. */
export class Report {
  readonly #wire: Wire;
  readonly #log: Log;
  readonly #textTag: (tag: number) => number;
  /** `IO_ERROR` bits so far. */
  ioError = 0;
  /** Whether something was said that makes the client's exit code 23. */
  hadTransferError = false;

  /** @param textTag - `ProtocolTraits.textTag` */
  constructor(wire: Wire, log: Log, textTag: (tag: number) => number = (tag) => tag) {
    this.#wire = wire;
    this.#log = log;
    this.#textTag = textTag;
  }

  /** Something could not be read; the rest goes on. */
  failed(what: string, label: string, error: unknown): void {
    this.ioError |= IO_ERROR.GENERAL;
    this.transferError(`[sender] ${what} ${label}: ${describeError(error)}`);
  }

  /** Something was there when its directory was read, and is not any more. */
  vanished(label: string): void {
    this.ioError |= IO_ERROR.VANISHED;
    this.#text(TAG.WARNING, `file has vanished: ${label}`);
    this.#log("warn", "vanished", { path: label });
  }

  /** A link that the client wants to have followed leads nowhere, or out of the module. */
  lostLink(label: string): void {
    this.ioError |= IO_ERROR.GENERAL;
    this.transferError(`symlink has no referent: ${label}`, "");
  }

  /** As {@link failed} or {@link vanished}, by what the kernel said. */
  failedOrVanished(what: string, label: string, error: unknown): void {
    if (errorCode(error) === "ENOENT") this.vanished(label);
    else this.failed(what, label, error);
  }

  /** Nobody can say what an entry is: {@link vanished}, or what the kernel said. */
  unreadable(label: string, error: unknown): void {
    if (errorCode(error) === "ENOENT") {
      this.vanished(label);
      return;
    }
    this.ioError |= IO_ERROR.GENERAL;
    this.transferError(`[sender] readlink_stat(${label}) failed: ${describeError(error)}`);
  }

  /** A line that makes the client exit with 23, without an I/O error bit. */
  transferError(text: string, prefix = "rsync: "): void {
    this.hadTransferError = true;
    this.#text(TAG.ERROR_XFER, prefix + text);
    this.#log("warn", "transfer-error", { text });
  }

  info(text: string): void {
    this.#text(TAG.INFO, text);
  }

  #text(tag: number, line: string): void {
    this.#wire.flush();
    this.#wire.message(
      this.#textTag(tag),
      Buffer.from(`${line}\n`, "latin1").subarray(0, LIMITS.messageBytes),
    );
  }
}

/**
 * Throws again what is not a refusal of the kernel, or of a link that leads out of the module and may have been swapped in
 * just now: our other errors end the session, and so do bugs.
 */
export function assertSystemError(error: unknown): void {
  if (error instanceof RsyncError && error.code === "ERR_RSYNC_UNSAFE_PATH") return;
  const code = errorCode(error);
  if (code === undefined || code.startsWith("ERR_")) throw error;
}

/** What `strerror` says where libuv has other words. */
const WORDS: Readonly<Record<string, string>> = {
  EIO: "Input/output error",
  ELOOP: "Too many levels of symbolic links",
  ENAMETOOLONG: "File name too long",
};

/** The kernel's words and number, as `strerror` puts them: `Permission denied (13)`. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const known = WORDS[errorCode(error) ?? ""];
  const words = known ?? /^[A-Z0-9]+: ([^,]+)/.exec(error.message)?.[1] ?? error.message;
  const number =
    "errno" in error && typeof error.errno === "number" ? ` (${Math.abs(error.errno)})` : "";
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}${number}`;
}
