import { createHash, type Hash } from "node:crypto";
import { createMD4, createXXHash3, createXXHash64, createXXHash128, type IHasher } from "hash-wasm";
import { CHECKSUM_BYTES, type ChecksumName } from "./checksum.ts";
import { ContentKernel } from "./content-kernel.ts";

/** How block sums are seeded. */
export interface ChecksumOptions {
  /** The session's checksum seed: a signed 32-bit integer. 0 means no seed. */
  readonly seed: number;
  /** Compat flag CHKSUM_SEED_FIX (0x20): MD5 takes the seed before the data. @defaultValue true */
  readonly seedFirst?: boolean;
  /** The MD4 of protocol 27 to 29: also the sum of a whole file that is sent begins with the seed, be it 0. @defaultValue false */
  readonly seedsFiles?: boolean;
}

/** Digest over a whole file, seeded only as {@link ChecksumOptions.seedsFiles} says. Used for one file at a time; {@link FileHasher.digest} starts anew. */
export interface FileHasher {
  /** Forgets what was added since the last digest. */
  reset(): void;
  update(chunk: Uint8Array): void;
  /** The digest in wire order (a fresh array), after which the hasher is empty again. */
  digest(): Uint8Array;
}

/** One checksum type of one session: synchronous, made once by {@link createChecksum}. */
export interface Checksum {
  readonly name: ChecksumName;
  /** Length of a full digest in bytes. */
  readonly digestLength: number;
  /** The digest of one block in wire order. The array is valid until the next call. */
  block(data: Uint8Array, start: number, length: number): Uint8Array;
  /** The one whole-file hasher of this object, emptied. */
  fileHasher(): FileHasher;
  /** Loops over content with the sums of this object. What lies in its `content` needs not be copied by {@link block} and the hasher. */
  readonly kernel: ContentKernel;
  /** Another one, for work that goes on meanwhile. */
  readonly secondKernel: ContentKernel;
}

/** What the concrete digests have in common: bytes in, digest in wire order out. */
interface Digester {
  reset(): void;
  update(chunk: Uint8Array): void;
  digest(): Uint8Array;
}

/** hash-wasm prints xxHash values big-endian; the wire has them as little-endian words, low word first. */
function wasmDigester(hasher: IHasher, reversed: boolean): Digester {
  return {
    reset: () => void hasher.init(),
    update: (chunk) => void hasher.update(chunk),
    digest: () => {
      const bytes = hasher.digest("binary");
      return reversed ? bytes.toReversed() : bytes;
    },
  };
}

function nodeDigester(algorithm: "md5" | "sha1"): Digester {
  let hash: Hash = createHash(algorithm);
  return {
    reset: () => {
      hash = createHash(algorithm);
    },
    update: (chunk) => void hash.update(chunk),
    digest: () => hash.digest(),
  };
}

const noDigester: Digester = {
  reset: () => undefined,
  update: () => undefined,
  digest: () => new Uint8Array(1),
};

async function createDigester(name: ChecksumName, seed: number): Promise<Digester> {
  // A 32-bit seed is sign-extended to the 64 bits that xxHash takes.
  const low = seed >>> 0;
  const high = seed < 0 ? 0xffff_ffff : 0;
  switch (name) {
    case "xxh128":
      return wasmDigester(await createXXHash128(low, high), true);
    case "xxh3":
      return wasmDigester(await createXXHash3(low, high), true);
    case "xxh64":
      return wasmDigester(await createXXHash64(low, high), true);
    case "md4":
      return wasmDigester(await createMD4(), false);
    case "md5":
    case "sha1":
      return nodeDigester(name);
    case "none":
      return noDigester;
    default:
      throw new Error(`no such checksum: ${String(name satisfies never)}`);
  }
}

function seedBytes(seed: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(seed);
  return bytes;
}

/** Where the four seed bytes go in a block sum that has no seed parameter of its own. */
function seedPlace(name: ChecksumName, options: ChecksumOptions): "before" | "after" | "nowhere" {
  if (options.seed === 0) return "nowhere";
  if (name === "sha1") return "before";
  if (name === "md5") return (options.seedFirst ?? true) ? "before" : "after";
  return name === "md4" ? "after" : "nowhere";
}

function digesterHasher(files: Digester, seed: Uint8Array | undefined): FileHasher {
  const reset = (): void => {
    files.reset();
    if (seed) files.update(seed);
  };
  return {
    reset,
    update: (chunk) => files.update(chunk),
    digest: () => {
      const digest = files.digest();
      reset();
      return digest;
    },
  };
}

/** @param short - for files that the kernel leaves to others */
function kernelHasher(kernel: () => ContentKernel, short: Digester): FileHasher {
  let it: ContentKernel | undefined;
  return {
    reset: () => it?.fileReset(),
    update: (chunk) => {
      if (!it) {
        it = kernel();
        it.fileReset();
      }
      it.fileUpdate(chunk);
    },
    digest: () => {
      const done = it?.fileDigest() ?? { bytes: new Uint8Array(0) };
      it?.fileReset();
      if ("digest" in done) return done.digest.slice();
      short.reset();
      short.update(done.bytes);
      return short.digest();
    },
  };
}

/**
 * Makes the strong checksum of a session. WebAssembly is compiled here; everything after is synchronous.
 *
 * Block sums are seeded, file sums only below protocol 30 (rsync 3.5 checksum.c: get_checksum2, sum_init).
 */
export async function createChecksum(
  name: ChecksumName,
  options: ChecksumOptions,
): Promise<Checksum> {
  const [blocks, files] = await Promise.all([
    createDigester(name, options.seed),
    createDigester(name, 0),
  ]);
  const place = seedPlace(name, options);
  const seed = seedBytes(options.seed);

  // Most sessions need no sums of blocks, and many none at all.
  let first: ContentKernel | undefined;
  let second: ContentKernel | undefined;
  const kernel = (): ContentKernel => (first ??= new ContentKernel(options.seed));
  const hasKernel = name === "xxh128";
  const blockDigest = new Uint8Array(16);
  const block = (data: Uint8Array, start: number, length: number): Uint8Array => {
    if (hasKernel && kernel().canHash(data, length)) {
      kernel().block(data, start, length, blockDigest);
      return blockDigest;
    }
    blocks.reset();
    if (place === "before") blocks.update(seed);
    blocks.update(data.subarray(start, start + length));
    if (place === "after") blocks.update(seed);
    return blocks.digest();
  };
  const file = hasKernel
    ? kernelHasher(kernel, files)
    : digesterHasher(files, options.seedsFiles === true ? seed : undefined);
  return {
    name,
    digestLength: CHECKSUM_BYTES[name],
    block,
    fileHasher: () => {
      file.reset();
      return file;
    },
    get kernel() {
      return kernel();
    },
    get secondKernel() {
      return (second ??= new ContentKernel(options.seed));
    },
  };
}
