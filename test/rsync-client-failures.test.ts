import { spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { serverArguments } from "@dialhome/rsync-protocol-client";
import { expect, it } from "vitest";
import { assertEqualTrees, treeDifferences } from "./support/compare-trees.ts";
import { startCutProxy } from "./support/cut-proxy.ts";
import { mountSmallDisk } from "./support/full-disk.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { run, runOk } from "./support/processes.ts";
import { ARCHIVE, collect, pullFromDaemon } from "./support/pull-real.ts";
import { seededRandom } from "./support/random.ts";
import { startRealRsyncd } from "./support/real-rsyncd.ts";
import { tempDir } from "./support/temp-dir.ts";
import { makeLargeTree, makeNastyTree } from "./support/tree.ts";
import { changeTree } from "./support/tree-changes.ts";

const NOBODY = 65_534;
const AS_NOBODY = ["--reuid=65534", "--regid=65534", "--clear-groups"] as const;
const PULL_PROCESS = fileURLToPath(new URL("support/pull-process.ts", import.meta.url));

/** Every name below a folder, relative to it. */
function names(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" }).toSorted();
}

/** The content of every file below a folder. */
function contents(root: string): Map<string, string> {
  return new Map(
    names(root)
      .filter((name) => statSync(`${root}/${name}`, { throwIfNoEntry: false })?.isFile())
      .map((name) => [name, readFileSync(`${root}/${name}`, "latin1")]),
  );
}

/** `.name.XXXXXX`: what a pull that ended early must not leave. */
function temporaries(root: string): string[] {
  return names(root).filter((name) => /(^|\/)\.[^/]+\.[\w-]{6}$/.test(name));
}

describeWithPeers(["rsync"], "rsync client when things go wrong", () => {
  it("speaks to rsync --server --sender over the standard streams of a process", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    await makeNastyTree(dir.at("src"));
    for (const protocol of [30, 31, 32]) {
      rmSync(dir.at("dest"), { recursive: true, force: true });
      const options = { ...ARCHIVE, numericIds: true, protocol };
      const child = spawn(requirePeer("rsync"), serverArguments(options, [`${dir.at("src")}/`]), {
        stdio: ["pipe", "pipe", "inherit"],
      });
      const stream = Duplex.from({ writable: child.stdin, readable: child.stdout });
      const { summary } = await collect({
        ...options,
        stream,
        source: { kind: "server" },
        destination: dir.at("dest"),
      });
      expect(summary).toMatchObject({ exitCode: 0, protocol });
      const times = protocol === 30 ? "none" : "all";
      await assertEqualTrees(dir.at("src"), dir.at("dest"), { times });
      stream.destroy();
      child.kill();
    }
  });

  it("names a file that vanished, and leaves with 24", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    for (const name of ["a", "b", "c"]) writeFileSync(dir.at("src", name), name);
    await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    const { summary, messages } = await pullFromDaemon({
      ...ARCHIVE,
      port: daemon.port,
      destination: dir.at("dest"),
      // It was listed by then, and nothing was asked for yet.
      onEntry: ({ entry }) => {
        if (entry.name === ".") rmSync(dir.at("src/b"));
      },
    });
    expect(summary.exitCode).toBe(24);
    expect(names(dir.at("dest"))).toEqual(["a", "c"]);
    expect(messages.map(({ text }) => text).join()).toMatch(/vanished.*b/);
  });

  it("cut at 30 places: files are whole, old or new, and the next run makes up for it", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    const tree = makeLargeTree(dir.at("src"), { files: 240, folders: 6 });
    await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    const options = { ...ARCHIVE, delete: true, destination: dir.at("dest") };
    await pullFromDaemon({ ...options, port: daemon.port });
    cpSync(dir.at("src"), dir.at("old"), { recursive: true, preserveTimestamps: true });
    changeTree(dir.at("src"), tree);
    const bytes = await (async () => {
      await using whole = await startCutProxy({ port: daemon.port });
      await pullFromDaemon({
        ...options,
        port: whole.port,
        dryRun: false,
        destination: dir.at("x"),
      });
      return whole.toClient;
    })();
    const before = contents(dir.at("old"));
    const after = contents(dir.at("src"));
    const random = seededRandom("cuts");
    for (let n = 0; n < 30; n++) {
      await using proxy = await startCutProxy(
        { port: daemon.port },
        {
          direction: "to-client",
          // More in the first part, where the handshake is.
          afterBytes: n < 10 ? 1 + random.below(400) : 400 + random.below(bytes / 2),
          action: "cut",
        },
      );
      const failed = await pullFromDaemon({ ...options, port: proxy.port }).catch((error) => error);
      // Once little is left to send the cut may not come at all.
      expect([0, 12]).toContain(failed.exitCode ?? failed.summary.exitCode);
      expect(temporaries(dir.at("dest"))).toEqual([]);
      const torn = [...contents(dir.at("dest"))].filter(
        ([name, content]) => content !== before.get(name) && content !== after.get(name),
      );
      expect(torn.map(([name]) => name)).toEqual([]);
    }
    const { summary } = await pullFromDaemon({ ...options, port: daemon.port });
    expect(summary.exitCode).toBe(0);
    await assertEqualTrees(dir.at("src"), dir.at("dest"));
  }, 180_000);

  it("stops at once when the caller says so, and leaves nothing half-written", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    makeLargeTree(dir.at("src"), { files: 240, folders: 6 });
    await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    for (const after of [0, 1, 10, 100]) {
      const stop = new AbortController();
      let seen = 0;
      if (after === 0) stop.abort();
      const stopped = await pullFromDaemon({
        ...ARCHIVE,
        port: daemon.port,
        destination: dir.at("dest"),
        signal: stop.signal,
        onEntry: () => {
          seen++;
          if (seen === after) stop.abort();
        },
      }).catch((error) => error);
      expect(stopped).toMatchObject({ code: "ERR_RSYNC_ABORTED", exitCode: 20 });
      expect(existsSync(dir.at("dest")) ? temporaries(dir.at("dest")) : []).toEqual([]);
    }
  });

  it("gives up on a daemon that falls silent, with 30", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    makeLargeTree(dir.at("src"), { files: 60, folders: 2 });
    await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    for (const afterBytes of [10, 2_000, 200_000]) {
      await using proxy = await startCutProxy(
        { port: daemon.port },
        { direction: "to-client", afterBytes, action: "stall" },
      );
      const silent = await pullFromDaemon({
        ...ARCHIVE,
        port: proxy.port,
        destination: dir.at("dest"),
        timeoutMs: 500,
      }).catch((error) => error);
      expect(silent).toMatchObject({ code: "ERR_RSYNC_TIMEOUT", exitCode: 30 });
    }
  });
});

describeWithPeers(["rsync", "root"], "rsync client as root and as nobody", () => {
  it("names a source file that cannot be read, brings the rest, and leaves with 23", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src/locked"), { recursive: true });
    for (const name of ["a", "b", "locked/c", "d"]) writeFileSync(dir.at("src", name), name);
    chmodSync(dir.at("src/b"), 0);
    chmodSync(dir.at("src/locked"), 0);
    await using daemon = await startRealRsyncd({
      modules: { src: { path: dir.at("src"), settings: { uid: "nobody", gid: "nogroup" } } },
    });
    mkdirSync(dir.at("dest"));
    writeFileSync(dir.at("dest/extra"), "not deleted when the sender cannot see everything");
    const { summary } = await pullFromDaemon({
      ...ARCHIVE,
      port: daemon.port,
      destination: dir.at("dest"),
      delete: true,
      // The error is known before anything is deleted only when there is one list.
      incRecursive: false,
    });
    expect(summary.exitCode).toBe(23);
    expect(summary.problems.join("\n")).toMatch(/"b"|\/b/);
    expect(names(dir.at("dest"))).toEqual(["a", "d", "extra", "locked"]);
  });

  it("says in one line that the disk is full, and leaves with 11", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    writeFileSync(dir.at("src/big"), seededRandom("big").bytes(3_000_000));
    writeFileSync(dir.at("src/other"), seededRandom("other").bytes(100_000));
    await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    await using disk = await mountSmallDisk(1_000_000);
    const full = await pullFromDaemon({
      ...ARCHIVE,
      port: daemon.port,
      destination: `${disk.path}/dest`,
    }).catch((error) => error);
    expect(full).toMatchObject({ code: "ERR_RSYNC_FILE", exitCode: 11 });
    expect(full.message).toMatch(/^cannot write "big": ENOSPC.*$/);
    expect(names(`${disk.path}/dest`)).not.toContain("big");
    expect(temporaries(`${disk.path}/dest`)).toEqual([]);
  });

  it("does as nobody what the real rsync does as nobody", async () => {
    await using dir = tempDir();
    chmodSync(dir.path, 0o755);
    mkdirSync(dir.at("src"));
    await makeNastyTree(dir.at("src"));
    writeFileSync(dir.at("src/of-1234"), "owned by a stranger");
    chownSync(dir.at("src/of-1234"), 1234, 5678);
    writeFileSync(dir.at("src/of-nogroup"), "of our group");
    chownSync(dir.at("src/of-nogroup"), 0, NOBODY);
    mkdirSync(dir.at("src/read-only/below"), { recursive: true });
    writeFileSync(dir.at("src/read-only/below/file"), "x");
    chmodSync(dir.at("src/read-only/below"), 0o500);
    chmodSync(dir.at("src/read-only"), 0o500);
    // Real rsync does not mend nanoseconds of a directory that was made within the same second.
    for (const name of ["read-only/below", "read-only", "."]) {
      utimesSync(dir.at("src", name), 1_600_000_000, 1_600_000_000);
    }
    for (const name of ["ours", "real", "tmp"]) {
      mkdirSync(dir.at(name));
      chownSync(dir.at(name), NOBODY, NOBODY);
    }
    await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    const real = await run("setpriv", [
      ...AS_NOBODY,
      requirePeer("rsync"),
      "-aHDi",
      daemon.url("src"),
      `${dir.at("real")}/`,
    ]);
    const command = ["--conditions=@dialhome/source", `--import=${import.meta.resolve("tsx")}`];
    const pull = [PULL_PROCESS, String(daemon.port), dir.at("ours")];
    const told = await runOk("setpriv", [...AS_NOBODY, process.execPath, ...command, ...pull], {
      env: { TMPDIR: dir.at("tmp") },
    });
    const { exitCode, problems } = JSON.parse(told);
    expect({ exitCode, problems }).toEqual({ exitCode: real.code, problems: [] });
    expect(treeDifferences(dir.at("real"), dir.at("ours"), { owners: true })).toEqual([]);
  });
});
