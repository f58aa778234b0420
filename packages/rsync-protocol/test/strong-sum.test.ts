import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { CHECKSUM_BYTES, type ChecksumName, parseChecksumName } from "../src/checksum.ts";
import { signedView, weakSum } from "../src/rolling-sum.ts";
import { createChecksum, type FileHasher } from "../src/strong-sum.ts";

const NAMES: readonly ChecksumName[] = ["xxh128", "xxh3", "xxh64", "md5", "md4", "sha1", "none"];
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const md5 = (data: Buffer): string => createHash("md5").update(data).digest("hex");
const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

/** SHA-256 of "0", "1", … joined: the basis in the session recorded with rsync 3.5.0 as `redo-32`. */
function recordedBasis(): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i < 100; i++) parts.push(createHash("sha256").update(String(i)).digest());
  const basis = Buffer.concat(parts);
  basis.fill("X", 1000, 1010);
  return basis;
}

test("block sums are those of a recorded session", async () => {
  const basis = recordedBasis();
  const checksum = await createChecksum("xxh128", { seed: 1797032757 });
  const sums = [0, 1].map((i) => {
    const weak = Buffer.alloc(4);
    weak.writeInt32LE(weakSum(signedView(basis), i * 700, 700));
    return hex(weak) + hex(checksum.block(basis, i * 700, 700));
  });
  expect(sums).toEqual([
    "2308f1f2812b64b7a47d657324e24a3423928e7a",
    "880fee385f0e0d6ea1f2b7db3ef16e1a21f2ca71",
  ]);
});

test("empty files have the published digests, xxHash ones reversed", async () => {
  const known: [ChecksumName, string][] = [
    ["xxh128", "7f498d4624c30160d8984701d306aa99"],
    ["xxh3", "c294d3380580062d"],
    ["xxh64", "99e9d85137db46ef"],
    ["md5", "d41d8cd98f00b204e9800998ecf8427e"],
    ["md4", "31d6cfe0d16ae931b73c59d7e0c089c0"],
    ["sha1", "da39a3ee5e6b4b0d3255bfef95601890afd80709"],
    ["none", "00"],
  ];
  for (const [name, digest] of known) {
    const checksum = await createChecksum(name, { seed: 5 });
    expect([name, hex(checksum.fileHasher().digest())]).toEqual([name, digest]);
  }
});

test("the seed goes before or after the data, or nowhere when it is 0", async () => {
  const seed = Buffer.from([0x04, 0x03, 0x02, 0x01]);
  const data = bytes("--block--");
  const block = async (name: ChecksumName, options: { seed: number; seedFirst?: boolean }) =>
    hex((await createChecksum(name, options)).block(data, 2, 5));
  const plain = bytes("block");
  expect(await block("md5", { seed: 0x01020304 })).toBe(md5(Buffer.concat([seed, plain])));
  expect(await block("md5", { seed: 0x01020304, seedFirst: false })).toBe(
    md5(Buffer.concat([plain, seed])),
  );
  expect(await block("md5", { seed: 0 })).toBe(md5(plain));
  expect(await block("sha1", { seed: 0x01020304 })).toBe(
    createHash("sha1").update(seed).update(plain).digest("hex"),
  );
  const md4 = (await createChecksum("md4", { seed: 0 })).fileHasher();
  md4.update(plain);
  md4.update(seed);
  expect(await block("md4", { seed: 0x01020304 })).toBe(hex(md4.digest()));
});

describe.each(NAMES)("%s", (name) => {
  test("a file's digest has the stated length and does not depend on the chunks or on blocks in between", async () => {
    const checksum = await createChecksum(name, { seed: -3 });
    const data = Buffer.alloc(100_000, "some bytes ");
    const hasher = checksum.fileHasher();
    hasher.update(data);
    const whole = hex(hasher.digest());
    expect(whole.length).toBe(2 * CHECKSUM_BYTES[name]);
    for (let at = 0; at < data.length; at += 7001) {
      hasher.update(data.subarray(at, at + 7001));
      checksum.block(data, 0, 700);
    }
    expect(hex(hasher.digest())).toBe(whole);
    hasher.update(data);
    hasher.reset();
    hasher.update(data);
    expect(hex(hasher.digest())).toBe(whole);
  });
});

test("names are read in any case, and xxhash is xxh64", () => {
  expect(["XXH128", "xxhash", "Md5", "crc32", "constructor"].map(parseChecksumName)).toEqual([
    "xxh128",
    "xxh64",
    "md5",
    undefined,
    undefined,
  ]);
});

test("the MD4 of protocol 27 to 29 seeds what is sent, be the seed 0, and not what is listed", async () => {
  const plain = await createChecksum("md4", { seed: 0 });
  const sumOf = (hasher: FileHasher, ...pieces: readonly Buffer[]): string => {
    for (const piece of pieces) hasher.update(piece);
    return hex(hasher.digest());
  };
  for (const seed of [0, 7]) {
    const seeded = await createChecksum("md4", { seed, seedsFiles: true });
    const hasher = seeded.fileHasher();
    const wanted = sumOf(plain.fileHasher(), Buffer.from([seed, 0, 0, 0]), bytes("abc"));
    expect(sumOf(hasher, bytes("abc"))).toBe(wanted);
    hasher.update(bytes("left behind"));
    hasher.reset();
    expect(sumOf(hasher, bytes("abc"))).toBe(wanted);
  }
  expect(sumOf(plain.fileHasher(), bytes("abc"))).toBe("a448017aaf21d8525fc10ae87aa6729d");
});
