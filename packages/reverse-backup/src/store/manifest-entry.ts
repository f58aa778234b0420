import { FILE_TYPE } from "@dialhome/posix-fs";
import { MANIFEST_LINE_LIMIT, PATH_BYTES_LIMIT } from "./constants.ts";
import { StoreError } from "./errors.ts";
import type { LineBuffer } from "./line-buffer.ts";

/** How an entry came into its snapshot; the words of the rsync client. */
export type EntryOutcome = (typeof OUTCOMES)[number];

const OUTCOMES = [
  /** It was not there. */
  "new",
  /** It was there with other content. */
  "updated",
  /** At most its attributes were corrected. */
  "unchanged",
  /** Hard link to the same file of an earlier snapshot. */
  "linked",
  /** Content of an earlier snapshot, attributes of its own. */
  "copied",
  /** Hard link to another file of this snapshot. */
  "hard-linked",
] as const;

/** One entry of a snapshot. */
export interface ManifestEntry {
  /** Path below the snapshot's root, `/` between components; `.` is the root itself. */
  readonly name: Buffer;
  /** POSIX type and permission bits. */
  readonly mode: number;
  /** Bytes. */
  readonly size: number;
  /** Whole seconds since 1970, may be negative, and 0…999 999 999 ns. */
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly uid: number;
  readonly gid: number;
  readonly userName?: Buffer | undefined;
  readonly groupName?: Buffer | undefined;
  /** Of a symbolic link. */
  readonly linkTarget?: Buffer | undefined;
  /** Of a device. */
  readonly rdevMajor?: number | undefined;
  readonly rdevMinor?: number | undefined;
  /** Path of the file that this one is a hard link to: the first of its group, in the same snapshot. */
  readonly hardLinkTo?: Buffer | undefined;
  readonly outcome: EntryOutcome;
  /** SHA-256 of a regular file's content. */
  readonly digest?: Uint8Array | undefined;
  /** SHA-256 of its access control lists and extended attributes, where it has any and they are kept. */
  readonly attributes?: Uint8Array | undefined;
}

const SLASH = 0x2f;
const DIGEST_BYTES = 32;

/** The word for a mode's type bits; undefined when there is none. */
export function typeWord(mode: number): string | undefined {
  switch (mode & FILE_TYPE.MASK) {
    case FILE_TYPE.REGULAR:
      return "file";
    case FILE_TYPE.DIRECTORY:
      return "directory";
    case FILE_TYPE.SYMLINK:
      return "symlink";
    case FILE_TYPE.FIFO:
      return "fifo";
    case FILE_TYPE.SOCKET:
      return "socket";
    case FILE_TYPE.CHARACTER_DEVICE:
      return "character-device";
    case FILE_TYPE.BLOCK_DEVICE:
      return "block-device";
    default:
      return undefined;
  }
}

/** Whether bytes are a path below a root: relative, no empty, `.` or `..` component, no NUL, at most 4,095 bytes; or `.` alone. */
export function isTreePath(path: Uint8Array): boolean {
  const { length } = path;
  if (length === 0 || length > PATH_BYTES_LIMIT) return false;
  if (length === 1 && path[0] === 0x2e) return true;
  let start = 0;
  for (let i = 0; i <= length; i++) {
    const byte = i === length ? SLASH : path[i];
    if (byte === 0) return false;
    if (byte !== SLASH) continue;
    const size = i - start;
    if (size === 0 || size > 255) return false;
    if (path[start] === 0x2e && (size === 1 || (size === 2 && path[start + 1] === 0x2e)))
      return false;
    start = i + 1;
  }
  return true;
}

function refusedEntry(entry: ManifestEntry, what: string): StoreError {
  const path = JSON.stringify(entry.name.toString("latin1").slice(0, 80));
  return new StoreError("ERR_STORE_LIMIT", `manifest entry ${path}: ${what}`);
}

/** Throws `ERR_STORE_LIMIT` for an entry that no manifest line can hold. */
function assertEntry(entry: ManifestEntry, digest: Uint8Array | undefined): void {
  if (!isTreePath(entry.name)) throw refusedEntry(entry, "its path is not one below a root");
  if (entry.hardLinkTo !== undefined && !isTreePath(entry.hardLinkTo))
    throw refusedEntry(entry, "its leader's path is not one below a root");
  if (entry.linkTarget !== undefined && entry.linkTarget.length > PATH_BYTES_LIMIT) {
    throw refusedEntry(
      entry,
      `a link target of ${entry.linkTarget.length} bytes, limit ${PATH_BYTES_LIMIT}`,
    );
  }
  if (typeWord(entry.mode) === undefined)
    throw refusedEntry(entry, `mode ${entry.mode.toString(8)} has no known type`);
  if (!Number.isSafeInteger(entry.size) || entry.size < 0)
    throw refusedEntry(entry, `size ${entry.size}`);
  if (!Number.isSafeInteger(entry.mtimeSec)) throw refusedEntry(entry, `time ${entry.mtimeSec}`);
  if (!(entry.mtimeNsec >= 0 && entry.mtimeNsec < 1e9))
    throw refusedEntry(entry, `${entry.mtimeNsec} nanoseconds`);
  assertDigest(entry, digest);
  assertDigest(entry, entry.attributes);
}

function assertDigest(entry: ManifestEntry, digest: Uint8Array | undefined): void {
  if (digest === undefined || digest.length === DIGEST_BYTES) return;
  throw refusedEntry(entry, `a digest of ${digest.length} bytes, not ${DIGEST_BYTES}`);
}

/**
 * Writes an entry as one line of the manifest, without its newline. Throws `ERR_STORE_LIMIT` for an entry that is not allowed;
 * then nothing is written.
 *
 * @param digest - of its content, where that was found elsewhere
 */
export function writeManifestEntry(
  line: LineBuffer,
  entry: ManifestEntry,
  digest: Uint8Array | undefined = entry.digest,
): void {
  assertEntry(entry, digest);
  line.ascii('{"name":');
  line.string(entry.name);
  line.ascii(',"type":"');
  line.ascii(typeWord(entry.mode) ?? "");
  line.ascii('","mode":');
  line.integer(entry.mode);
  line.ascii(',"size":');
  line.integer(entry.size);
  line.ascii(',"mtime":');
  line.integer(entry.mtimeSec);
  line.ascii(',"nsec":');
  line.integer(entry.mtimeNsec);
  line.ascii(',"uid":');
  line.integer(entry.uid);
  line.ascii(',"gid":');
  line.integer(entry.gid);
  writeString(line, ',"user":', entry.userName);
  writeString(line, ',"group":', entry.groupName);
  writeString(line, ',"target":', entry.linkTarget);
  if (entry.rdevMajor !== undefined) {
    line.ascii(',"rdev":[');
    line.integer(entry.rdevMajor);
    line.ascii(",");
    line.integer(entry.rdevMinor ?? 0);
    line.ascii("]");
  }
  writeString(line, ',"link":', entry.hardLinkTo);
  line.ascii(',"stored":"');
  line.ascii(entry.outcome);
  line.ascii('"');
  if (digest !== undefined) {
    line.ascii(',"sha256":');
    line.hex(digest);
  }
  if (entry.attributes !== undefined) {
    line.ascii(',"attributes":');
    line.hex(entry.attributes);
  }
  line.ascii("}");
}

function writeString(line: LineBuffer, field: string, value: Uint8Array | undefined): void {
  if (value === undefined) return;
  line.ascii(field);
  line.string(value);
}

type Fields = Readonly<Record<string, unknown>>;

/** Reads one parsed line. Throws `ERR_STORE_CORRUPT` naming the line and the field. */
class FieldReader {
  readonly #fields: Fields;
  readonly #line: number;

  constructor(fields: Fields, line: number) {
    this.#fields = fields;
    this.#line = line;
  }

  corrupt(field: string): StoreError {
    return corruptManifest(`line ${this.#line}: ${field} is missing or wrong`);
  }

  has(field: string): boolean {
    return this.#fields[field] !== undefined;
  }

  integer(field: string, min: number, max: number): number {
    const value = this.#fields[field];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
      throw this.corrupt(field);
    }
    return value;
  }

  bytes(field: string): Buffer {
    const value = this.#fields[field];
    if (typeof value === "string") return Buffer.from(value);
    if (typeof value === "object" && value !== null && "b64" in value) {
      if (typeof value.b64 === "string") return Buffer.from(value.b64, "base64");
    }
    throw this.corrupt(field);
  }

  path(field: string): Buffer {
    const path = this.bytes(field);
    if (!isTreePath(path)) throw this.corrupt(field);
    return path;
  }

  outcome(): EntryOutcome {
    const outcome = OUTCOMES.find((word) => word === this.#fields["stored"]);
    if (outcome === undefined) throw this.corrupt("stored");
    return outcome;
  }

  digest(field: string): Uint8Array {
    const value = this.#fields[field];
    if (typeof value !== "string" || value.length !== 2 * DIGEST_BYTES) throw this.corrupt(field);
    const digest = Buffer.from(value, "hex");
    if (digest.length !== DIGEST_BYTES) throw this.corrupt(field);
    return digest;
  }

  device(): { readonly rdevMajor: number; readonly rdevMinor: number } {
    const value = this.#fields["rdev"];
    if (!Array.isArray(value) || value.length !== 2) throw this.corrupt("rdev");
    const [rdevMajor, rdevMinor]: unknown[] = value;
    if (!isUnsigned(rdevMajor) || !isUnsigned(rdevMinor)) throw this.corrupt("rdev");
    return { rdevMajor, rdevMinor };
  }
}

function isUnsigned(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
}

/** An error for a manifest that does not read. */
export function corruptManifest(what: string, cause?: unknown): StoreError {
  return new StoreError(
    "ERR_STORE_CORRUPT",
    `manifest: ${what}`,
    cause === undefined ? {} : { cause },
  );
}

/** The fields of a line: any JSON object. Throws `ERR_STORE_CORRUPT`. */
export function parseManifestLine(text: string, line: number): Fields {
  if (text.length > MANIFEST_LINE_LIMIT) {
    throw corruptManifest(
      `line ${line} has ${text.length} characters, limit ${MANIFEST_LINE_LIMIT}`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw corruptManifest(`line ${line} is no JSON`, error);
  }
  if (!isFields(value)) throw corruptManifest(`line ${line} is no object`);
  return value;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The entry of a line's fields, with every one checked. Throws `ERR_STORE_CORRUPT`. */
export function decodeManifestEntry(fields: Fields, line: number): ManifestEntry {
  const reader = new FieldReader(fields, line);
  const mode = reader.integer("mode", 0, 0o177777);
  if (typeWord(mode) === undefined || fields["type"] !== typeWord(mode))
    throw reader.corrupt("type");
  const entry: { -readonly [Field in keyof ManifestEntry]: ManifestEntry[Field] } = {
    name: reader.path("name"),
    mode,
    size: reader.integer("size", 0, Number.MAX_SAFE_INTEGER),
    mtimeSec: reader.integer("mtime", Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
    mtimeNsec: reader.integer("nsec", 0, 999_999_999),
    uid: reader.integer("uid", 0, 0xffff_ffff),
    gid: reader.integer("gid", 0, 0xffff_ffff),
    outcome: reader.outcome(),
  };
  if (reader.has("user")) entry.userName = reader.bytes("user");
  if (reader.has("group")) entry.groupName = reader.bytes("group");
  if (reader.has("target")) entry.linkTarget = reader.bytes("target");
  if (reader.has("rdev")) Object.assign(entry, reader.device());
  if (reader.has("link")) entry.hardLinkTo = reader.path("link");
  if (reader.has("sha256")) entry.digest = reader.digest("sha256");
  if (reader.has("attributes")) entry.attributes = reader.digest("attributes");
  return entry;
}
