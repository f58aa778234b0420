import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duplexPair } from "node:stream";
import { DirectoryHandle } from "@dialhome/posix-fs";
import {
  ByteReader,
  PROTOCOL,
  type ProtocolTraits,
  RsyncError,
  traitsOf,
} from "@dialhome/rsync-protocol";
import { type PullOptions, pull } from "@dialhome/rsync-protocol-client";
import { RsyncDaemon } from "@dialhome/rsync-protocol-daemon";
import { bytesOf, dataOf, playSide, splitAt, type Turn, tappedPair } from "../conversation.ts";
import type { FuzzTarget } from "../target.ts";

/** A session that neither side ends within this time hangs. */
const HANG_MS = 10_000;
const SECRET = "a secret beside the module";
const SEED = 7;

type Options = Omit<PullOptions, "stream" | "destination">;

/** A kind of session. */
interface Variant {
  /** Behind the names of its targets; empty for the usual one. */
  readonly name: string;
  readonly options: Partial<Options>;
}

const OPTIONS: Options = {
  source: { kind: "daemon", module: "m", paths: [""] },
  recursive: true,
  links: true,
  hardLinks: true,
  perms: true,
  times: true,
  specials: true,
  owner: true,
  group: true,
  delete: true,
  // What a mutated number may ask for must not take the machine's memory before it is refused.
  maxListBytes: 16 << 20,
};

function makeModule(root: string): void {
  mkdirSync(join(root, "dir/deep"), { recursive: true });
  writeFileSync(join(root, "empty"), "");
  writeFileSync(join(root, "small"), "content");
  writeFileSync(join(root, "dir/changed"), "x".repeat(3_000) + "y".repeat(3_000));
  writeFileSync(join(root, "dir/deep/last"), "z");
  symlinkSync("../outside", join(root, "dir/link"));
}

/** @returns false where there are no extended attributes */
function addXattrs(root: string): boolean {
  using directory = DirectoryHandle.open(root);
  try {
    directory.setXattr(Buffer.from("small"), "user.short", Buffer.from("value"));
    directory.setXattr(Buffer.from("small"), "user.long", Buffer.alloc(100, "v"));
    directory.setXattr(Buffer.from("dir"), "user.long", Buffer.alloc(100, "w"));
    return true;
  } catch {
    return false;
  }
}

function makeDestination(root: string): void {
  mkdirSync(join(root, "dir"), { recursive: true });
  writeFileSync(join(root, "dir/changed"), "x".repeat(3_000) + "w".repeat(2_000));
  writeFileSync(join(root, "extra"), "goes");
  // A trap: whoever goes through it leaves the destination.
  symlinkSync("../canaries", join(root, "trap"));
}

/** A folder with a destination and canaries beside it. */
function makeNest(folder: string): string {
  const nest = mkdtempSync(join(folder, "nest-"));
  mkdirSync(join(nest, "canaries"));
  writeFileSync(join(nest, "canaries/one"), "untouched");
  writeFileSync(join(nest, "outside"), "untouched");
  makeDestination(join(nest, "destination"));
  return nest;
}

function assertNest(nest: string): void {
  const around = readdirSync(nest).join();
  const inside = readdirSync(join(nest, "canaries")).join();
  const texts = ["outside", "canaries/one"].map((name) => readFileSync(join(nest, name), "utf8"));
  if (
    around !== "canaries,destination,outside" ||
    inside !== "one" ||
    texts.some((t) => t !== "untouched")
  ) {
    throw new Error(
      `something outside of the destination was touched: ${around} ${inside} ${texts.join()}`,
    );
  }
  const left = namesBelow(Buffer.from(join(nest, "destination"))).filter((name) =>
    /^\.[^/]+\.[0-9a-z]{6}$/.test(name),
  );
  if (left.length > 0) throw new Error(`temporary files are left: ${left.join()}`);
}

/** All names below a directory, whatever bytes they have. */
function namesBelow(directory: Buffer): string[] {
  const entries = readdirSync(directory, { withFileTypes: true, encoding: "buffer" });
  return entries.flatMap((entry) => {
    const path = Buffer.concat([directory, Buffer.from("/"), entry.name]);
    const name = entry.name.toString("latin1");
    return entry.isDirectory() ? [name, ...namesBelow(path)] : [name];
  });
}

interface Setting {
  readonly folder: string;
  readonly daemon: RsyncDaemon;
  readonly options: Options;
  readonly fromClient: readonly Turn[];
  readonly fromServer: readonly Turn[];
}

const settings = new Map<Variant, Promise<Setting>>();

/** One session of our own two ends, written down. */
function settingOf(variant: Variant): Promise<Setting> {
  let setting = settings.get(variant);
  setting ??= (async () => {
    // Sessions make and remove many files: in memory, where that can be had.
    const parent = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
    const folder = mkdtempSync(join(parent, "dialhome-fuzz-"));
    const root = join(folder, "module");
    makeModule(root);
    const xattrs = addXattrs(root);
    // Where compression is negotiated, so is the checksum.
    const isPlain = variant.options.compress !== true && traitsOfVariant(variant).hasCompatFlags;
    const choice = isPlain ? ({ checksumChoice: "md5" } as const) : {};
    const hasAttributes = xattrs && (variant.options.protocol ?? PROTOCOL.MAX) >= 30;
    const options = {
      ...OPTIONS,
      acls: hasAttributes,
      xattrs: hasAttributes,
      ...choice,
      ...variant.options,
    };
    writeFileSync(join(folder, "outside"), SECRET);
    const modules = [{ name: "m", path: root }];
    const daemon = new RsyncDaemon({ modules, checksumSeed: SEED, closingTimeoutMs: 200 });
    const { client, server, fromClient, fromServer } = tappedPair();
    const serving = daemon.serve(server);
    const nest = makeNest(folder);
    const summary = await pull({
      ...options,
      stream: client,
      destination: join(nest, "destination"),
    });
    const { error } = await serving;
    if (summary.exitCode !== 0 || error) throw error ?? new Error("the recorded pull failed");
    return { folder, daemon, options, fromClient, fromServer };
  })();
  settings.set(variant, setting);
  return setting;
}

/** Removes the files of {@link settingOf}. */
async function release(variant: Variant): Promise<void> {
  const setting = settings.get(variant);
  if (!setting) return;
  settings.delete(variant);
  const { folder } = await setting;
  rmSync(folder, { recursive: true, force: true });
}

function traitsOfVariant({ options }: Variant): ProtocolTraits {
  return traitsOf(options.protocol ?? PROTOCOL.MAX);
}

/** Where frames begin: behind the text, the compat flags, names and seed; of the client: behind its arguments. */
function serverStart(turns: readonly Turn[], variant: Variant): number {
  const reader = new ByteReader();
  reader.push(bytesOf(turns));
  while (reader.line() !== "@RSYNCD: OK");
  if (traitsOfVariant(variant).hasCompatFlags) reader.varint();
  reader.int();
  return reader.offset;
}

function clientStart(turns: readonly Turn[], variant: Variant): number {
  return bytesOf(turns).indexOf(traitsOfVariant(variant).argumentEnd.repeat(2)) + 2;
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const hang = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${HANG_MS} ms`)), HANG_MS);
  });
  try {
    return await Promise.race([work, hang]);
  } finally {
    clearTimeout(timer);
  }
}

/** A pull from a sender that says `bytes`. */
async function pullFrom(
  variant: Variant,
  head: Buffer,
  bytes: Buffer,
  turns: readonly Turn[],
  isFramed: boolean,
): Promise<void> {
  const { folder, options } = await settingOf(variant);
  const nest = makeNest(folder);
  const [near, far] = duplexPair();
  try {
    const pulling = pull({ ...options, stream: near, destination: join(nest, "destination") });
    const playing = playSide(far, head, bytes, turns, isFramed);
    await inTime(
      pulling.then(
        () => undefined,
        (error: unknown) => {
          if (!(error instanceof RsyncError) || error.cause instanceof TypeError) throw error;
        },
      ),
    );
    assertNest(nest);
    far.destroy();
    await playing;
  } finally {
    near.destroy();
    far.destroy();
    rmSync(nest, { recursive: true, force: true });
  }
}

/** A daemon with a client that says `bytes`. */
async function serveTo(
  variant: Variant,
  head: Buffer,
  bytes: Buffer,
  turns: readonly Turn[],
  isFramed: boolean,
): Promise<void> {
  const { folder, daemon } = await settingOf(variant);
  const [near, far] = duplexPair();
  const said: Buffer[] = [];
  far.on("data", (piece: Buffer) => said.push(piece));
  try {
    const serving = daemon.serve(near);
    const playing = playSide(far, head, bytes, turns, isFramed);
    const { error } = await inTime(serving);
    if (error?.cause instanceof TypeError) throw error.cause;
    await playing;
    if (Buffer.concat(said).includes(SECRET)) throw new Error("the secret got out");
    if (readFileSync(join(folder, "outside"), "utf8") !== SECRET)
      throw new Error("it was written to");
  } finally {
    near.destroy();
    far.destroy();
  }
}

const NAMES = ["..", "/", "../outside", "trap/one", "dir/link", ".", "\0", "--sender", "m/../"];

/** What a sender says in its frames. */
function pullTarget(variant: Variant): FuzzTarget {
  const side = async (): Promise<{ head: Buffer; turns: Turn[] }> => {
    const { fromServer } = await settingOf(variant);
    return dataOf(fromServer, serverStart(fromServer, variant));
  };
  return {
    name: `pull${variant.name}`,
    limitMs: HANG_MS,
    release: () => release(variant),
    dictionary: NAMES,
    seeds: async () => [bytesOf((await side()).turns)],
    run: async (input) => {
      const { head, turns } = await side();
      await pullFrom(variant, head, input, turns, true);
    },
  };
}

/** What a client says after its arguments: in frames, but for old protocols. */
function serveTarget(variant: Variant): FuzzTarget {
  const isFramed = traitsOfVariant(variant).framesBothWays;
  const side = async (): Promise<{ head: Buffer; turns: readonly Turn[] }> => {
    const { fromClient } = await settingOf(variant);
    const start = clientStart(fromClient, variant);
    return isFramed ? dataOf(fromClient, start) : splitAt(fromClient, start);
  };
  return {
    name: `serve${variant.name}`,
    limitMs: HANG_MS,
    release: () => release(variant),
    dictionary: [...NAMES, ": .rsync-filter", ".", "- *"],
    seeds: async () => [bytesOf((await side()).turns)],
    run: async (input) => {
      const { head, turns } = await side();
      await serveTo(variant, head, input, turns, isFramed);
    },
  };
}

/** A whole side, with its frames and all. */
function rawTarget(side: "pull" | "serve", variant: Variant, words: readonly string[]): FuzzTarget {
  const turnsOf = async (): Promise<readonly Turn[]> => {
    const { fromClient, fromServer } = await settingOf(variant);
    return side === "pull" ? fromServer : fromClient;
  };
  const play = side === "pull" ? pullFrom : serveTo;
  return {
    name: `${side}-raw${variant.name}`,
    limitMs: HANG_MS,
    release: () => release(variant),
    dictionary: [...NAMES, ...words],
    seeds: async () => [bytesOf(await turnsOf())],
    run: async (input) => play(variant, Buffer.alloc(0), input, await turnsOf(), false),
  };
}

const PLAIN: Variant = { name: "", options: {} };
const ZSTD: Variant = { name: "-zstd", options: { compressChoice: "zstd" } };
const ZLIB: Variant = { name: "-zlib", options: { compressChoice: "zlib" } };
/** What is compressed, and how it is summed up, is agreed on. */
const NEGOTIATED: Variant = { name: "-negotiated", options: { compress: true } };
const OLD: Variant = { name: "-29", options: { protocol: 29 } };
const OLDEST: Variant = { name: "-27", options: { protocol: 27, compress: true } };
const PLACED: Variant = {
  name: "-placed",
  options: {
    fakeSuper: true,
    partialDir: ".parts",
    backup: true,
    backupDir: "old",
    delayUpdates: true,
  },
};
const IN_PLACE: Variant = { name: "-inplace", options: { inplace: true, backup: true } };
const APPENDED: Variant = { name: "-append", options: { append: "verify", partial: true } };

/** Sessions with one side that says what it should not. */
export const sessions: readonly FuzzTarget[] = [
  ...[PLAIN, ZSTD, ZLIB, OLD, OLDEST, PLACED, IN_PLACE, APPENDED].map(pullTarget),
  ...[PLAIN, OLD, OLDEST].map(serveTarget),
  rawTarget("pull", PLAIN, ["@RSYNCD: ", "@ERROR", "AUTHREQD x", "\n"]),
  rawTarget("pull", NEGOTIATED, ["zstd", "lz4", "none", "zlibx", " ", "md4", "xxh128"]),
  rawTarget("serve", PLAIN, ["@RSYNCD: ", "#early_input=5", "#list", "\n", "--files-from=-", "-s"]),
  rawTarget("serve", NEGOTIATED, ["zstd", "lz4", "--compress-choice=", "-z", "none", " ", "md4"]),
];
