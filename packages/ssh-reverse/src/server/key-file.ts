import type { BigIntStats } from "node:fs";
import { constants } from "node:fs";
import { open, stat } from "node:fs/promises";
import { type AuthorizedKeys, parseAuthorizedKeys } from "@dialhome/authorized-keys";
import { SshReverseError } from "../errors.ts";
import { SERVER } from "./constants.ts";

/** What a file looked like from outside when it was read; another one means that it changed. */
type Signature = string;

/** A file's lines, with what is needed to see that it changed. */
interface ReadKeys {
  readonly signature: Signature;
  readonly text: string;
  readonly keys: AuthorizedKeys;
}

/** What happened to the list of keys. */
export type KeyListEvent =
  /** Another list is in force. */
  | { readonly is: "keys"; readonly keys: number }
  /** A line admits nobody, and why; told when a list comes into force. */
  | { readonly is: "keys-line"; readonly line: number; readonly why: string }
  /** The file changed, and the list that was in force stays. */
  | { readonly is: "keys-kept"; readonly why: string };

/** How a list of keys is kept. */
export interface KeyFileOptions {
  readonly pollMs: number;
  readonly restMs: number;
  readonly restTimeoutMs: number;
  /** Waits; rejects never, and ends early with the signal. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly onEvent: (event: KeyListEvent) => void;
  /** Another list is in force: those who are connected must be looked at again. */
  readonly onChange: () => void;
}

/**
 * The list of an authorized_keys file, which follows the file: looked at at each login and once in a while. What only adds keys counts at
 * once; what takes some away counts when the file has been at rest for a moment, since a file that is being written is
 * shorter for an instant. One that cannot be read, that ends in the middle of a line, or in which there is nothing but lines that nobody
 * can use, changes nothing. Other lines that nobody can use keep none of the rest from counting, as in sshd.
 */
export class KeyFile implements AsyncDisposable {
  readonly #path: string;
  readonly #options: KeyFileOptions;
  readonly #stop = new AbortController();
  #current: ReadKeys;
  #refused: Signature | undefined;
  #refreshing: Promise<void> | undefined;
  readonly #polling: Promise<void>;

  /** @throws SshReverseError `ERR_SSH_REVERSE_AUTHORIZED_KEYS` when the file cannot be read at all */
  static async open(path: string, options: KeyFileOptions): Promise<KeyFile> {
    return new KeyFile(path, await readKeys(path), options);
  }

  private constructor(path: string, first: ReadKeys, options: KeyFileOptions) {
    this.#path = path;
    this.#options = options;
    this.#current = first;
    this.#tell(first);
    this.#polling = this.#poll();
  }

  /** The list in force, as of the last look. */
  get keys(): AuthorizedKeys {
    return this.#current.keys;
  }

  /** Looks at the file now, and gives the list that is in force then. Never rejects. */
  async fresh(): Promise<AuthorizedKeys> {
    // A look that has begun may have missed what the caller wrote just now.
    if (this.#refreshing !== undefined) await this.#refreshing;
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
    return this.#current.keys;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all([this.#polling, this.#refreshing]);
  }

  async #poll(): Promise<void> {
    const { signal } = this.#stop;
    for (;;) {
      await this.#options.pause(this.#options.pollMs, signal);
      if (signal.aborted) return;
      await this.fresh();
    }
  }

  async #refresh(): Promise<void> {
    try {
      const signature = await signatureOf(this.#path);
      if (signature === this.#current.signature) this.#refused = undefined;
      if (signature === this.#current.signature || signature === this.#refused) return;
      const next = await readKeys(this.#path);
      const settled = isWithin(this.#current.keys, next.keys) ? next : await this.#atRest(next);
      if (settled !== undefined) this.#take(settled);
    } catch (error) {
      // Its signature is as good as any that differs from the last one that was read.
      this.#keep(error instanceof Error ? error.message : String(error), "unreadable");
    }
  }

  /** The file's content when it has not changed for a while. */
  async #atRest(read: ReadKeys): Promise<ReadKeys | undefined> {
    const { pause, restMs, restTimeoutMs } = this.#options;
    let last = read;
    for (let waited = 0; waited < restTimeoutMs; waited += restMs) {
      await pause(restMs, this.#stop.signal);
      if (this.#stop.signal.aborted) return undefined;
      const next = await readKeys(this.#path);
      if (next.signature === last.signature) return next;
      last = next;
    }
    this.#keep(`it does not come to rest within ${restTimeoutMs / 1000} s`, last.signature);
    return undefined;
  }

  #take(next: ReadKeys): void {
    const why = whySpoiled(next, this.#current);
    if (why !== undefined) {
      this.#keep(why, next.signature);
      return;
    }
    const isSame = next.text === this.#current.text;
    this.#current = next;
    this.#refused = undefined;
    if (isSame) return;
    this.#tell(next);
    this.#options.onChange();
  }

  #keep(why: string, signature: Signature): void {
    if (this.#refused === signature) return;
    this.#refused = signature;
    this.#options.onEvent({ is: "keys-kept", why: `${this.#path}: ${why}` });
  }

  #tell(read: ReadKeys): void {
    const count = read.keys.lines.filter(({ is }) => is === "key").length;
    this.#options.onEvent({ is: "keys", keys: count });
    for (const { line, why } of uselessLines(read)) {
      this.#options.onEvent({ is: "keys-line", line, why });
    }
  }
}

async function signatureOf(path: string): Promise<Signature> {
  try {
    return signatureIn(await stat(path, { bigint: true }));
  } catch (cause) {
    throw unreadable(cause);
  }
}

function signatureIn({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): Signature {
  return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
}

async function readKeys(path: string): Promise<ReadKeys> {
  let signature: Signature;
  let text: string;
  try {
    // Without waiting: whoever opens a pipe waits for somebody who writes, and every login with him.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await file.stat({ bigint: true });
    if (!found.isFile()) throw new Error("it is no regular file");
    if (found.size > SERVER.keyFileBytes) {
      throw new Error(`${found.size} bytes, limit ${SERVER.keyFileBytes}`);
    }
    signature = signatureIn(found);
    text = await file.readFile("utf8");
  } catch (cause) {
    throw unreadable(cause);
  }
  return { signature, text, keys: parseAuthorizedKeys(text) };
}

function unreadable(cause: unknown): SshReverseError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new SshReverseError("ERR_SSH_REVERSE_AUTHORIZED_KEYS", why, { cause });
}

/** Whether all keys of one list are in another. */
function isWithin(before: AuthorizedKeys, after: AuthorizedKeys): boolean {
  const blobs = new Set(blobsOf(after));
  return blobsOf(before).every((blob) => blobs.has(blob));
}

function blobsOf({ lines }: AuthorizedKeys): string[] {
  return lines.flatMap((line) =>
    line.is === "key" ? [Buffer.from(line.key.blob).toString("base64")] : [],
  );
}

/** Why a file is taken for one that is not as it was meant; undefined when nothing speaks for that. */
function whySpoiled(next: ReadKeys, current: ReadKeys): string | undefined {
  const known = new Set(uselessLines(current).map(({ text }) => text));
  const useless = uselessLines(next).filter(({ text }) => !known.has(text));
  const last = useless.at(-1);
  if (last === undefined) return undefined;
  const isCut = !next.text.endsWith("\n") && last.line === next.keys.lines.length;
  if (isCut) return `line ${last.line}, the last one, has no end: ${last.why}`;
  const isUsable = next.keys.lines.some(({ is }) => is === "key");
  return isUsable ? undefined : `no line can be used; line ${last.line}: ${last.why}`;
}

/** Lines that nobody can use, and why. */
function uselessLines({ keys, text }: ReadKeys): { line: number; why: string; text: string }[] {
  const texts = text.split("\n");
  return keys.lines.flatMap((line) =>
    line.is === "useless"
      ? [{ line: line.line, why: line.reason, text: texts[line.line - 1] ?? "" }]
      : [],
  );
}
