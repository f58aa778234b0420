import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duplexPair } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { RsyncError } from "@dialhome/rsync-protocol";
import { serveSender } from "@dialhome/rsync-protocol-daemon";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type ContentWriter,
  type Destination,
  itemize,
  type PullOptions,
  type PullSummary,
  pull,
  pullChanges,
  serverArguments,
  type TransferOptions,
} from "../src/index.ts";
import { MemoryStore } from "./support/memory-store.ts";
import { ROOT, runSession } from "./support/scripted-sender.ts";

const TREE: TransferOptions = {
  recursive: true,
  links: true,
  hardLinks: true,
  perms: true,
  times: true,
  specials: true,
};
let folder: string;
const at = (name: string): string => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dialhome-store-"));
  mkdirSync(at("d/e"), { recursive: true });
  writeFileSync(at("a"), "hello");
  writeFileSync(at("d/large"), Buffer.alloc(700_000, "0123456789"));
  writeFileSync(at("d/e/empty"), "");
  linkSync(at("a"), at("d/same"));
  symlinkSync("../a", at("d/link"));
});

afterEach(() => rmSync(folder, { recursive: true }));

interface Run {
  readonly summary: PullSummary;
  readonly lines: readonly string[];
  readonly deleted: readonly string[];
}

/** Pulls the folder from our own sender over a pair of streams. */
async function run(destination: Destination, more: Partial<PullOptions> = {}): Promise<Run> {
  const [stream, far] = duplexPair();
  const options = { ...TREE, ...more };
  const serving = serveSender(far, serverArguments(options, [`${folder}/`]));
  const lines: string[] = [];
  const deleted: string[] = [];
  try {
    const summary = await pull({
      onEntry: (pulled) => {
        const letters = itemize(pulled, options);
        if (letters) lines.push(`${letters} ${pulled.entry.name}`);
      },
      onDelete: ({ name }) => deleted.push(name),
      ...options,
      stream,
      source: { kind: "server" },
      destination,
    });
    return { summary, lines, deleted };
  } finally {
    far.destroy();
    stream.destroy();
    await serving;
  }
}

describe("a pull into a store", () => {
  it.each([1, 8])(
    "stores everything, and then nothing more (concurrency %d)",
    async (concurrency) => {
      const store = Object.assign(new MemoryStore(), { concurrency });
      const first = await run(store);
      expect(first.summary).toMatchObject({ exitCode: 0, transferredFiles: 3, problems: [] });
      expect([...store.names.keys()].toSorted()).toEqual(
        [".", "a", "d", "d/e", "d/e/empty", "d/large", "d/link", "d/same"].toSorted(),
      );
      expect(store.files.get("d/large")).toBe("0123456789".repeat(70_000));
      expect(store.names.get("d/same")?.inode).toBe(store.names.get("a")?.inode);
      expect(store.names.get("d/link")?.entry.linkTarget).toBe("../a");
      expect(store.calls.indexOf("put d")).toBeLessThan(store.calls.indexOf("put d/e"));
      expect(store.summary).toBe(first.summary);
      expect(first.lines).toContain(">f+++++++++ d/same");
      expect(first.lines).toContain("hf+++++++++ a");
      store.calls.length = 0;
      const second = await run(store);
      expect(second).toMatchObject({ lines: [], summary: { exitCode: 0, transferredFiles: 0 } });
      expect(store.calls).toEqual([]);
      expect(store.open).toBe(0);
    },
  );

  it("has only what differs sent, and corrects attributes without sending", async () => {
    const store = new MemoryStore();
    await run(store, { incRecursive: false });
    store.calls.length = 0;
    writeFileSync(at("d/large"), `changed${"0123456789".repeat(70_000)}`);
    chmodSync(at("d/e/empty"), 0o600);
    const { summary, lines } = await run(store, { contentDigest: "sha256" });
    expect(summary).toMatchObject({ exitCode: 0, transferredFiles: 1 });
    expect(summary.matchedBytes).toBeGreaterThan(600_000);
    expect(summary.literalBytes).toBeLessThan(10_000);
    expect(store.files.get("d/large")).toBe(`changed${"0123456789".repeat(70_000)}`);
    expect(store.calls.toSorted()).toEqual([
      "basis d/large",
      "basis d/large",
      "commit d/large",
      "update d/e/empty",
    ]);
    expect(lines.map((line) => line.replace(".st", ".s."))).toEqual([
      ".f...p..... d/e/empty",
      ">f.s....... d/large",
    ]);
    expect(store.open).toBe(0);
  });

  it("compares checksums, and looks only in a dry run", async () => {
    const store = new MemoryStore();
    await run(store);
    utimesSync(at("a"), 1, 1);
    writeFileSync(at("d/large"), Buffer.alloc(700_000, "other"));
    utimesSync(at("d/large"), 1, 1);
    store.calls.length = 0;
    const dry = await run(store, { checksum: true, dryRun: true });
    // The first name of a hard link group may wait for the lists that the others come in.
    expect(dry.lines.toSorted()).toEqual([".f..t...... a", ">fc.t...... d/large"]);
    expect(store.calls.filter((call) => !call.startsWith("basis"))).toEqual([]);
    expect(store.pull?.dryRun).toBe(true);
    const { summary } = await run(store, { checksum: true });
    expect(summary).toMatchObject({ exitCode: 0, transferredFiles: 1 });
  });

  it.each(["during", "before", "delay", "after"] as const)(
    "deletes what is not there any more, but for what a rule protects (%s)",
    async (when) => {
      const store = new MemoryStore();
      await run(store);
      rmSync(at("d/e"), { recursive: true });
      rmSync(at("d/link"));
      const rules = { filterRules: ["P link"] };
      const dry = await run(store, { ...rules, delete: when, dryRun: true });
      expect(dry.deleted).toEqual(["d/e/empty", "d/e"]);
      expect(store.names.has("d/e")).toBe(true);
      const { deleted, summary } = await run(store, { ...rules, delete: when });
      expect(deleted).toEqual(["d/e/empty", "d/e"]);
      expect(summary.deleted).toMatchObject({ files: 1, directories: 1 });
      expect([store.names.has("d/e"), store.names.has("d/link")]).toEqual([false, true]);
    },
  );

  it("does not delete more than it may, and what is in the way only as rsync does", async () => {
    const store = new MemoryStore();
    await run(store);
    rmSync(at("d"), { recursive: true });
    writeFileSync(at("d"), "a file now");
    const kept = await run(store);
    expect(kept.summary.exitCode).toBe(23);
    expect(kept.summary.problems).toEqual(['could not make way for "d": a directory is there']);
    expect(store.names.has("d/large")).toBe(true);
    const limited = await run(store, { delete: true, maxDelete: 1 });
    expect(limited.summary.exitCode).toBe(23);
    expect(limited.deleted).toHaveLength(1);
    const { summary } = await run(store, { force: true });
    expect(summary.exitCode).toBe(0);
    expect(store.files).toEqual(
      new Map([
        ["a", "hello"],
        ["d", "a file now"],
      ]),
    );
  });

  it.each<[string, Partial<PullOptions>, () => void]>([
    ["too large", { maxSize: 5 }, () => writeFileSync(at("d"), "six and more")],
    ["too small", { minSize: 100 }, () => writeFileSync(at("d"), "short")],
    ["an unsafe link", { safeLinks: true }, () => symlinkSync("/etc", at("d"))],
    ["a link that is not wanted", { links: false }, () => symlinkSync("a", at("d"))],
  ])("makes no way for what is not made: %s", async (_, options, replace) => {
    const store = new MemoryStore();
    await run(store);
    rmSync(at("d"), { recursive: true });
    replace();
    const { summary } = await run(store, { force: true, ...options });
    expect(summary.problems).toEqual([]);
    expect([...store.names.keys()]).toContain("d/e/empty");
  });

  it("tells its changes one by one, and stops when nobody listens", async () => {
    const store = new MemoryStore();
    const [stream, far] = duplexPair();
    const serving = serveSender(far, serverArguments(TREE, [`${folder}/`]));
    const source = { kind: "server" } as const;
    for await (const change of pullChanges({ ...TREE, stream, source, destination: store })) {
      if (change.is === "entry") break;
    }
    expect(store.error).toMatchObject({ code: "ERR_RSYNC_ABORTED" });
    expect(store.pull?.signal.aborted).toBe(true);
    expect([store.summary, store.open]).toEqual([undefined, 0]);
    stream.destroy();
    far.destroy();
    await serving;
  });
});

/** A store whose writer does something else. */
function storeWith(
  writer: (real: ContentWriter, name: string) => Partial<ContentWriter>,
): MemoryStore {
  const store = new MemoryStore();
  const create = store.create.bind(store);
  store.create = async (entry) => {
    const real = await create(entry);
    return { ...real, ...writer(real, entry.name) };
  };
  return store;
}

describe("a store that fails", () => {
  it.each(["write", "commit"] as const)(
    "leaves the file out and goes on, when %s fails",
    async (call) => {
      const store = storeWith((real, name) => ({
        [call]: async (given: never) => {
          await pause(1);
          if (name === "d/large") throw new Error("no more room there");
          await real[call](given);
        },
      }));
      const { summary } = await run(store);
      expect(summary.exitCode).toBe(23);
      expect(summary.problems).toEqual(['cannot write "d/large": no more room there']);
      expect(store.files.get("a")).toBe("hello");
      expect(store.names.has("d/large")).toBe(false);
      expect(store.calls.filter((each) => each.startsWith("abort"))).toEqual(
        call === "write" ? ["abort d/large: no more room there"] : [],
      );
    },
  );

  it.each([1, 4])(
    "ends the pull when no other file would fare better (concurrency %d)",
    async (concurrency) => {
      const full = Object.assign(new Error("full"), { code: "ENOSPC" });
      const store = Object.assign(
        storeWith(() => ({ commit: () => Promise.reject(full) })),
        { concurrency },
      );
      await expect(run(store)).rejects.toMatchObject({ code: "ERR_RSYNC_FILE", exitCode: 11 });
      expect(store.files.size).toBeLessThanOrEqual(1);
      expect(store.error).toMatchObject({ exitCode: 11 });
      expect(store.summary).toBeUndefined();
    },
  );

  it("is not begun twice, and ends the pull when it cannot begin or finish", async () => {
    const store = new MemoryStore();
    store.begin = () => {
      throw new Error("locked");
    };
    await expect(run(store)).rejects.toMatchObject({
      exitCode: 11,
      message: "the destination cannot be used: locked",
    });
    expect(store.error).toBeUndefined();
    const other = new MemoryStore();
    other.finish = () => Promise.reject(new RsyncError("ERR_RSYNC_LIMIT", "too much"));
    await expect(run(other)).rejects.toMatchObject({ code: "ERR_RSYNC_LIMIT" });
  });

  it("is left without what lies in a directory that could not be stored", async () => {
    const store = new MemoryStore();
    const put = store.put.bind(store);
    store.put = async (entry) => {
      if (entry.name === "d") throw new Error("not this one");
      await put(entry);
    };
    const { summary } = await run(store);
    expect(summary).toMatchObject({ exitCode: 23, problems: ['cannot store "d": not this one'] });
    expect([...store.names.keys()]).toEqual([".", "a"]);
  });
});

describe("a store that is slow", () => {
  it("has several lookups and commits under way, and no more than it allows", async () => {
    for (let i = 0; i < 40; i++) writeFileSync(at(`f${i}`), `${i}`);
    let [finding, committing, mostFinding, mostCommitting] = [0, 0, 0, 0];
    const store = Object.assign(
      storeWith((real) => ({
        commit: async (content) => {
          mostCommitting = Math.max(mostCommitting, ++committing);
          await pause(3);
          committing--;
          await real.commit(content);
        },
      })),
      { concurrency: 5 },
    );
    const find = store.find.bind(store);
    store.find = async (name) => {
      mostFinding = Math.max(mostFinding, ++finding);
      await pause(1);
      finding--;
      return find(name);
    };
    const { summary } = await run(store);
    expect(summary).toMatchObject({ exitCode: 0, transferredFiles: 43 });
    expect([mostFinding, mostCommitting]).toEqual([5, 5]);
  });

  it.each([1, 3])(
    "takes longer than the timeout, while the sender waits for it (concurrency %d)",
    async (concurrency) => {
      const store = Object.assign(
        storeWith((real) => ({
          commit: async (content) => {
            await pause(300);
            await real.commit(content);
          },
        })),
        { concurrency },
      );
      const find = store.find.bind(store);
      store.find = async (name) => {
        if (name === "d/large") await pause(300);
        return find(name);
      };
      const { summary } = await run(store, { timeoutMs: 100 });
      expect(summary).toMatchObject({ exitCode: 0, transferredFiles: 3 });
    },
  );

  it("holds the sender up: what waits does not grow with the file", async () => {
    const size = 24 * 1024 * 1024;
    writeFileSync(at("d/large"), Buffer.alloc(size, "0123456789"));
    const [stream, far] = duplexPair();
    let sent = 0;
    const write = far.write.bind(far);
    far.write = ((chunk: Buffer, ...rest: never[]) => {
      sent += chunk.length;
      return write(chunk, ...rest);
    }) as typeof far.write;
    let [taken, mostWaiting] = [0, 0];
    const store = storeWith((real, name) => ({
      write: async (data) => {
        await pause(1);
        if (name === "d/large") {
          mostWaiting = Math.max(mostWaiting, sent - taken);
          taken += data.length;
        }
        await real.write(data);
      },
    }));
    const serving = serveSender(far, serverArguments(TREE, [`${folder}/`]));
    const source = { kind: "server" } as const;
    const summary = await pull({ ...TREE, stream, source, destination: store });
    expect(summary.exitCode).toBe(0);
    expect(taken).toBe(size);
    expect(mostWaiting).toBeLessThan(4 * 1024 * 1024);
    stream.destroy();
    far.destroy();
    await serving;
  });

  it("is waited for when the caller stops the pull, and hears of it", async () => {
    const stop = new AbortController();
    let pulled: AbortSignal | undefined;
    let ended = false;
    const store = storeWith(() => ({
      write: async () => {
        stop.abort();
        expect(pulled?.aborted).toBe(true);
        await pause(20);
        ended = true;
      },
    }));
    store.begin = ({ signal }) => {
      pulled = signal;
    };
    await expect(run(store, { signal: stop.signal })).rejects.toMatchObject({
      code: "ERR_RSYNC_ABORTED",
      exitCode: 20,
    });
    expect(ended).toBe(true);
    expect(
      store.calls.some((call) => /^abort \S+: the file did not come to its end$/.test(call)),
    ).toBe(true);
    expect(store.calls.filter((call) => call.startsWith("commit"))).toEqual([]);
    expect(store.error?.exitCode).toBe(20);
  });
});

describe("a hostile or broken sender", () => {
  it("commits nothing that is wrong, and asks once more", async () => {
    const store = new MemoryStore();
    const bad = Buffer.alloc(16);
    let asked = 0;
    const end = await runSession(
      async (sender) => {
        sender.list(ROOT, { name: "wrong", size: 3 }, { name: "wrong once", size: 3 });
        await sender.serve(31, ({ item }) => {
          asked++;
          const isRight = asked > 2 && item.ndx === 2;
          return isRight ? { data: Buffer.from("abc") } : { data: Buffer.from("abx"), sum: bad };
        });
      },
      { pull: { destination: store } },
    );
    expect(end.summary).toMatchObject({ exitCode: 23 });
    expect(end.summary?.problems.join()).toMatch(/"wrong": the checksum was wrong twice/);
    expect(store.files).toEqual(new Map([["wrong once", "abc"]]));
    expect(store.calls.filter((call) => call.startsWith("abort"))).toHaveLength(3);
    expect(store.open).toBe(0);
  });

  it.each(["../out", "/etc/passwd", "d/../../out", "missing/file"])(
    "refuses %s before the store hears of it",
    async (name) => {
      const store = new MemoryStore();
      const end = await runSession(
        async (sender) => {
          sender.list(ROOT, { name, size: 3 });
          await sender.serve(31, () => ({ data: Buffer.from("abc") }));
        },
        { pull: { destination: store } },
      );
      expect(end.error).toMatchObject({ code: "ERR_RSYNC_UNSAFE_PATH" });
      expect([store.calls, store.pull]).toEqual([[], undefined]);
    },
  );
});
