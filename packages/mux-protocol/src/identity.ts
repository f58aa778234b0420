import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { blake2b } from "@noble/hashes/blake2.js";
import { IDENTITY } from "./constants.ts";
import { MuxError } from "./mux-error.ts";

/** What a device takes its identity from: what differs between boards that were started from one image. */
export type IdentitySource =
  /** A text that somebody chose. */
  | { readonly is: "string"; readonly text: string }
  /** The content of a file, such as `/sys/class/dmi/id/board_serial`. */
  | { readonly is: "file"; readonly path: string }
  /** `Serial` of a Raspberry Pi's processor. */
  | { readonly is: "rpi" }
  /** What a line of the shell prints. */
  | { readonly is: "command"; readonly command: string }
  /** `/etc/machine-id`, which systemd makes at the first boot. */
  | { readonly is: "machine-id" };

/** Surroundings of {@link readIdentity}. */
export interface IdentityOptions {
  /** Where the machine's own files are. @defaultValue "/" */
  readonly root?: string;
  /** Ends the command. */
  readonly signal?: AbortSignal;
  /** Longest run of the command. @defaultValue 30_000 (ms) */
  readonly timeoutMs?: number;
}

/** Who a device is. */
export interface DeviceIdentity {
  readonly source: IdentitySource["is"];
  /** As it was read. */
  readonly raw: Uint8Array;
  /** Without the blanks around it. */
  readonly bytes: Uint8Array;
}

/** Where each is read, and how it is called. */
const CPU_INFO = "proc/cpuinfo";
const MACHINE_ID = "etc/machine-id";

/**
 * What boards have in common whose maker left the number out, or systemd's own word for a machine-id that is still to be made. Two
 * boards with the same identity would take each other's port.
 */
const NO_IDENTITY =
  /^(0+|x+|f+|none|unknown|uninitialized|default string|not (specified|applicable|available)|system serial number|to be filled by o\.?e\.?m\.?|123456789)$/i;

/**
 * Reads who this device is.
 *
 * @throws MuxError `ERR_MUX_IDENTITY` when there is nothing to be found, or something that many devices have in common
 */
export async function readIdentity(
  source: IdentitySource,
  options: IdentityOptions = {},
): Promise<DeviceIdentity> {
  const { raw, what } = await readSource(source, options);
  const isText = source.is === "string";
  const bytes = isText ? raw : trimmed(raw);
  if (trimmed(bytes).length === 0) throw identityError(`${what} is empty`);
  if (bytes.length > IDENTITY.bytesMost) {
    const limit = IDENTITY.bytesMost;
    throw identityError(`${what} is longer than ${limit} bytes; a hash of it would do`, { limit });
  }
  // Whoever chose a text has chosen it.
  const text = Buffer.from(bytes).toString("latin1");
  if (!isText && NO_IDENTITY.test(text)) {
    throw identityError(`${what} is "${text.slice(0, 40)}": that is nobody's own`);
  }
  return { source: source.is, raw, bytes };
}

/**
 * The identity as the protocol's versions take it. Version 2 hashes it before it travels, whatever it is. Of version 1 it is what
 * `ssh-reverse-mux-client` sends for the same option, so that a device keeps its port: serial numbers, files and machine-ids as a
 * hash under the secret, but a text and what a command prints as they are.
 *
 * @param secret - of version 1, 1 to 64 bytes
 */
export function identityForVersion(
  { source, raw, bytes }: DeviceIdentity,
  version: 1 | 2,
  secret: Uint8Array,
): Uint8Array {
  if (version === 2 || source === "string" || source === "command") return bytes;
  // The original hashes the line end of the machine-id, too, and of nothing else.
  return blake2b(source === "machine-id" ? raw : bytes, { key: secret });
}

async function readSource(
  source: IdentitySource,
  options: IdentityOptions,
): Promise<{ readonly raw: Uint8Array; readonly what: string }> {
  const { root = "/" } = options;
  switch (source.is) {
    case "string":
      return { raw: Buffer.from(source.text), what: "the identity" };
    case "file":
      return { raw: readFile(source.path, IDENTITY.bytesMost + 1), what: source.path };
    case "machine-id": {
      const path = join(root, MACHINE_ID);
      return { raw: readFile(path, IDENTITY.bytesMost + 1), what: path };
    }
    case "rpi": {
      const path = join(root, CPU_INFO);
      const text = Buffer.from(readFile(path, IDENTITY.cpuInfoMost)).toString("latin1");
      const [, serial] = /^\s*Serial\s*:\s*(\S+)\s*$/m.exec(text) ?? [];
      if (serial === undefined) {
        throw identityError(`there is no "Serial" in ${path}: this is no Raspberry Pi`);
      }
      return { raw: Buffer.from(serial, "latin1"), what: `the serial number in ${path}` };
    }
    case "command":
      return { raw: await runCommand(source.command, options), what: "what the command printed" };
    default:
      throw new Error(`no such source: ${String(source satisfies never)}`);
  }
}

/** Not more than that of a file: it may be a device that never ends. */
function readFile(path: string, bytesMost: number): Uint8Array {
  try {
    const fd = openSync(path, "r");
    try {
      const buffer = Buffer.alloc(bytesMost);
      let length = 0;
      for (;;) {
        const count = readSync(fd, buffer, length, bytesMost - length, null);
        length += count;
        if (count === 0 || length === bytesMost) return buffer.subarray(0, length);
      }
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw identityError(`cannot read the identity: ${reason}`, { cause });
  }
}

async function runCommand(
  command: string,
  { signal, timeoutMs = IDENTITY.commandMs }: IdentityOptions,
): Promise<Uint8Array> {
  // A group of its own, so that what the shell started ends with it.
  const child = spawn("/bin/sh", ["-c", command], {
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  let why: string | undefined;
  const stop = (reason: string) => (): void => {
    why ??= reason;
    try {
      process.kill(-(child.pid ?? 0), "SIGKILL");
    } catch {
      // It has ended by itself.
    }
    child.stdout.destroy();
  };
  const timer = setTimeout(stop(`ran for more than ${timeoutMs / 1000} s`), timeoutMs);
  const onAbort = stop("was stopped");
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  const chunks: Buffer[] = [];
  let length = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length > IDENTITY.outputMost) stop(`printed more than ${IDENTITY.outputMost} bytes`)();
  });
  try {
    const [code, killedBy] = await once(child, "close");
    if (code !== 0) why ??= `ended with ${String(code ?? killedBy)}`;
  } catch (error) {
    why ??= error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
  if (why !== undefined) throw identityError(`the command for the identity ${why}`);
  return Buffer.concat(chunks);
}

/** Without the blanks around it, those of ASCII, as Python's `bytes.strip()`. */
function trimmed(bytes: Uint8Array): Uint8Array {
  const isBlank = (at: number): boolean => {
    const byte = bytes[at] ?? 0;
    return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
  };
  let from = 0;
  let to = bytes.length;
  while (from < to && isBlank(from)) from++;
  while (to > from && isBlank(to - 1)) to--;
  return bytes.subarray(from, to);
}

function identityError(
  message: string,
  facts: { readonly cause?: unknown; readonly limit?: number } = {},
): MuxError {
  return new MuxError("ERR_MUX_IDENTITY", message, facts);
}
