import { describe, expect, test } from "vitest";
import {
  authResponse,
  blockLengthAt,
  blockOffsetAt,
  type Checksum,
  chooseAuthDigest,
  chooseSumHeader,
  createChecksum,
  type FileEntry,
  isListedValue,
  isRegularFile,
  isSymlink,
  MODE,
  parseChecksumName,
  signedView,
  TAG,
  weakSum,
} from "../src/index.ts";
import type { Played, Reply, Request } from "./support/played.ts";
import { play } from "./support/player.ts";
import {
  contentOf,
  type RecordedEntry,
  readTranscript,
  type Transcript,
} from "./support/transcript.ts";

// Sessions of the real rsync 3.5.0 with itself, recorded byte by byte: see fixtures/transcripts/README.md.

/** Sessions whose every byte is understood. */
const WHOLE = [
  "pull-inc-32",
  "pull-noinc-32",
  "pull-inc-30",
  "pull-29",
  "checksum-auth-32",
  "delete-filter-32",
  "delta-32",
  "delta-zlib-32",
  "delta-zlibx-32",
  "delta-zstd-32",
  "redo-32",
  "vanished-32",
  "lookahead-32",
  "meta-HXA-32",
] as const;

/** The bytes of the basis that were overwritten while redo-32 was recorded: [from, to). */
const OVERWRITTEN = [50_000, 50_008] as const;

const entryOf = (played: Played, item: Request | Reply): FileEntry => {
  const entry = played.lists.find(item.ndx);
  if (!entry) throw new Error(`nothing has the index ${item.ndx}`);
  return entry;
};

/** Looks up entries of a recording by their paths. */
function recordedIn(entries: readonly RecordedEntry[]): (path: string) => RecordedEntry {
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  return (path) => {
    const entry = byPath.get(path);
    if (!entry) throw new Error(`${path} is not in the recording`);
    return entry;
  };
}

const basisOf = (transcript: Transcript, path: string): Buffer => {
  const before = transcript.destinationBefore?.find((one) => one.path === path);
  return before === undefined ? Buffer.alloc(0) : contentOf(before);
};

async function checksumOf(transcript: Transcript, played: Played): Promise<Checksum> {
  const name = parseChecksumName(transcript.checksum);
  if (name === undefined) throw new Error(`no such checksum: ${transcript.checksum}`);
  const seedsFiles = played.protocol < 30;
  return createChecksum(name, { seed: played.seed, seedsFiles });
}

/** The file that a reply rebuilds. */
function rebuild(reply: Reply, basis: Buffer): Buffer {
  return Buffer.concat(
    reply.tokens.map((token) => {
      if (token.is === "literal") return token.data;
      if (token.is === "end" || !reply.header) throw new Error("not a piece");
      const start = blockOffsetAt(reply.header, token.index);
      return basis.subarray(start, start + blockLengthAt(reply.header, token.index));
    }),
  );
}

function sumOfFile(checksum: Checksum, bytes: Buffer): Buffer {
  const hasher = checksum.fileHasher();
  hasher.update(bytes);
  return Buffer.from(hasher.digest());
}

/** Blocks of a request whose sums do not fit the basis, by number. */
function misfits(request: Request, basis: Buffer, checksum: Checksum): number[] {
  const { header } = request;
  if (!header) return [];
  const signed = signedView(basis);
  return request.sums.flatMap(({ weak, strong }, index) => {
    const [start, length] = [blockOffsetAt(header, index), blockLengthAt(header, index)];
    const digest = checksum.block(basis, start, length).subarray(0, header.strongLength);
    const fits = weakSum(signed, start, length) === weak && strong.equals(digest);
    return fits ? [] : [index];
  });
}

describe.each(WHOLE)("%s, both directions to the last byte", (name) => {
  const transcript = readTranscript(name);
  const played = play(transcript);
  const recorded = recordedIn(transcript.module);

  test("nothing is left over, and the session is what was recorded of it", () => {
    expect([played.clientBytesLeft, played.serverBytesLeft]).toEqual([0, 0]);
    expect(played.protocol).toBe(transcript.protocol);
    expect(played.seed).toBe(transcript.seed);
    expect(played.lists.count).toBe(transcript.lists);
    const after = played.protocol >= 31 ? 1 : 0;
    expect(played.serverDones).toBe(transcript.lists + 2 + after);
    expect(played.clientDones).toBe(transcript.lists + 3 + after);
    expect(played.statistics.totalSize).toBeGreaterThan(0);
  });

  test("fed byte by byte, it says the same", () => {
    // The one with thousands of entries in pieces of a few: a byte at a time they take ten seconds and show no more.
    const step = name === "lookahead-32" ? 7 : 1;
    const bytewise = play(transcript, function* (chunk) {
      for (let at = 0; at < chunk.length; at += step) yield chunk.subarray(at, at + step);
    });
    expect(bytewise).toEqual(played);
  });

  test("the file list is the recorded module", async () => {
    const checksum = await checksumOf(transcript, played);
    expect(played.entries.length).toBeGreaterThan(0);
    // All in two lists: an assertion for each of thousands of entries takes seconds.
    const told = played.entries.map((entry) => ({
      name: entry.name,
      mtime: entry.mtime,
      mtimeNsec: entry.mtimeNsec,
      uid: entry.uid,
      gid: entry.gid,
      permissions: entry.mode & MODE.PERMISSIONS,
      size: isRegularFile(entry) ? entry.size : undefined,
      checksum: entry.checksum?.toString("hex"), // with -c only
    }));
    const wanted = played.entries.map((entry) => {
      const one = recorded(entry.name);
      const { mtime, nsec, uid, gid, mode } = one;
      const content = isRegularFile(entry) ? contentOf(one) : undefined;
      return {
        name: entry.name,
        // Below protocol 30 a time before 1970 arrives as one after 2038.
        mtime: played.protocol >= 30 ? mtime : mtime >>> 0,
        mtimeNsec: played.protocol >= 31 ? nsec : 0,
        uid,
        gid,
        // Linux has no modes of its own for symbolic links.
        permissions: isSymlink(entry) ? 0o777 : Number.parseInt(mode, 8),
        size: content?.length,
        checksum:
          entry.checksum && content ? sumOfFile(checksum, content).toString("hex") : undefined,
      };
    });
    expect(told).toEqual(wanted);
    if (played.filterRules.length > 0) return; // some were left out by them
    expect(played.entries.map((entry) => entry.name).toSorted()).toEqual(
      transcript.module.map(({ path }) => path).toSorted(),
    );
  });

  test("every whole-file sum fits the file that the tokens rebuild", async () => {
    const checksum = await checksumOf(transcript, played);
    const transfers = played.replies.filter((reply) => reply.sum !== undefined);
    expect(transfers.length).toBeGreaterThan(0);
    const wrong = transfers.flatMap((reply) => {
      const { name: path } = entryOf(played, reply);
      const file = rebuild(reply, basisOf(transcript, path));
      const isWhole = file.equals(contentOf(recorded(path)));
      return isWhole && reply.sum?.equals(sumOfFile(checksum, file)) ? [] : [path];
    });
    expect(wrong).toEqual([]);
  });

  test("every block sum fits the destination, in the geometry we would choose", async () => {
    const checksum = await checksumOf(transcript, played);
    const seen = new Set<number>();
    for (const request of played.requests.filter(({ header }) => (header?.count ?? 0) > 0)) {
      const basis = basisOf(transcript, entryOf(played, request).name);
      const redo = seen.has(request.ndx);
      seen.add(request.ndx);
      const { digestLength } = checksum;
      expect(request.header).toEqual(chooseSumHeader(basis.length, { digestLength, redo }));
      const changed = redo
        ? OVERWRITTEN.map((offset) => Math.floor(offset / (request.header?.blockLength ?? 1)))
        : [];
      expect(misfits(request, basis, checksum)).toEqual([...new Set(changed)]);
    }
    expect(seen.size > 0).toBe(/^(delta|redo|checksum)/.test(name));
  });
});

describe("what single sessions are about", () => {
  test("checksum-auth-32: the recorded answer to the challenge is the one we would give", async () => {
    const played = play(readTranscript("checksum-auth-32"));
    const digest = chooseAuthDigest(
      played.clientGreeting.digests,
      ["sha512", "sha256", "sha1", "md5", "md4"],
      32,
    );
    if (digest === undefined) throw new Error("no digest in common");
    const answer = await authResponse("sesame", played.challenge ?? "", digest);
    expect(played.login).toBe(`alice ${answer}`);
    expect(played.serverArguments.options.checksum).toBe(true);
  });

  test("delete-filter-32: sender-side rules only, and what was deleted", () => {
    const played = play(readTranscript("delete-filter-32"));
    expect(played.filterRules).toEqual(["-s *.o", "-sp tmp/"]);
    expect(played.deleted).toEqual({
      files: 3,
      directories: 0,
      symlinks: 0,
      devices: 0,
      specials: 0,
    });
    expect(played.toldBack).toEqual(played.deleted);
  });

  test("redo-32: the same file is asked for twice, the second time with full sums", () => {
    const played = play(readTranscript("redo-32"));
    const asked = played.requests.filter(({ header }) => (header?.count ?? 0) > 0);
    const again = asked.filter(({ ndx }, at) => asked.findIndex((one) => one.ndx === ndx) < at);
    expect(again.map((request) => entryOf(played, request).name)).toEqual(["f200k"]);
    expect(again[0]?.header?.strongLength).toBe(16);
  });

  test("vanished-32: a warning, no file, and an I/O error", () => {
    const played = play(readTranscript("vanished-32"));
    const tags = played.messages.map(({ tag }) => tag);
    expect(tags).toEqual(expect.arrayContaining([TAG.WARNING, TAG.NO_SEND, TAG.IO_ERROR]));
  });

  test("meta-HXA-32: each extended attribute has the recorded value, long ones from the replies", () => {
    const transcript = readTranscript("meta-HXA-32");
    const played = play(transcript);
    const byList = new Map<string, Buffer>();
    for (const entry of played.entries) {
      for (const { name, data } of entry.xattrs ?? []) byList.set(`${entry.name} ${name}`, data);
    }
    for (const reply of played.replies.filter(({ xattrs }) => xattrs.length > 0)) {
      const entry = entryOf(played, reply);
      for (const { number, value } of reply.xattrs) {
        const listed = entry.xattrs?.[number - 1];
        expect(listed && isListedValue(listed, value)).toBe(true);
        byList.set(`${entry.name} ${listed?.name}`, value);
      }
    }
    const wanted = transcript.module.flatMap(({ path, xattrs }) =>
      Object.entries(xattrs ?? {}).map(([name, value]) => [`${path} ${name}`, value] as const),
    );
    const long = wanted.find(([name]) => name === "x2 user.long")?.[1] ?? "";
    const told = new Map([...byList].map(([name, value]) => [name, value.toString("latin1")]));
    // x2 shares its set with x1, so its long value was not asked for again: the list has its MD5.
    told.set("x2 user.long", told.get("x1 user.long") ?? "");
    expect(long).toHaveLength(100);
    expect(told).toEqual(new Map(wanted));
  });

  test("meta-HXA-32: access control lists and hard links over two lists", () => {
    const { entries } = play(readTranscript("meta-HXA-32"));
    const named = (name: string): FileEntry => {
      const entry = entries.find((one) => one.name === name);
      if (!entry) throw new Error(`${name} is not listed`);
      return entry;
    };
    expect(named("acl").acl?.access.named).toEqual([{ kind: "user", id: 1, permissions: 4 }]);
    expect(named("d2").acl?.default?.named).toEqual([{ kind: "user", id: 1, permissions: 7 }]);
    expect(named("a").acl?.access.named).toEqual([]);
    const groups = ["hl1", "hl2", "d1/hl3"].map((name) => named(name).hardLinkGroup);
    expect(new Set(groups).size).toBe(1);
    expect(named("a").hardLinkGroup).toBe(-1);
  });

  test("lookahead-32: lists come between the replies", () => {
    const played = play(readTranscript("lookahead-32"));
    expect(played.entries).toHaveLength(3_031);
    expect(played.replies.filter(({ sum }) => sum !== undefined)).toHaveLength(3_000);
  });
});
