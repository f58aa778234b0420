import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { RsyncError, Wire } from "@dialhome/rsync-protocol";
import { listModules, type TransferOptions } from "@dialhome/rsync-protocol-client";
import { expect, it } from "vitest";
import { treeDifferences } from "./support/compare-trees.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { run, runOk } from "./support/processes.ts";
import { ARCHIVE, dial, pullFromDaemon } from "./support/pull-real.ts";
import { startRealRsyncd } from "./support/real-rsyncd.ts";
import { tempDir } from "./support/temp-dir.ts";

const OLD = 1_500_000_000;
const NEW = 1_600_000_000;

function put(root: string, name: string, text: string, time = OLD, mode = 0o644): void {
  const path = join(root, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, mode);
  utimesSync(path, time, time);
}

function link(root: string, target: string, name: string, time = OLD): void {
  symlinkSync(target, join(root, name));
  lutimesSync(join(root, name), time, time);
}

function settle(root: string, ...names: readonly string[]): void {
  for (const name of names) utimesSync(join(root, name), OLD, OLD);
}

/** What the sender has. */
function makeSource(root: string): void {
  mkdirSync(root, { recursive: true });
  put(root, "same", "the same");
  put(root, "touched", "same content, new time", NEW);
  put(root, "grown", `${"x".repeat(3_000)} and more`, NEW);
  put(root, "same-size", "BBBB");
  put(root, "older-here", "from the sender", NEW);
  put(root, "newer-here", "from the sender, old", OLD);
  put(root, "mode", "mode", OLD, 0o600);
  put(root, "only-there", "fresh");
  put(root, "was-dir", "now a file", NEW);
  put(root, "was-link", "now a file as well", NEW);
  put(root, "dir/inner", "inner");
  put(root, "dir/changed", "inner changed", NEW);
  put(root, "new-dir/a", "a");
  mkdirSync(join(root, "empty-dir"));
  mkdirSync(join(root, "was-file"));
  put(root, "was-file/child", "child");
  link(root, "same", "link");
  link(root, "new target", "relinked", NEW);
  link(root, "elsewhere", "dir-to-link");
  put(root, "hard-1", "linked", NEW);
  linkSync(join(root, "hard-1"), join(root, "hard-2"));
  linkSync(join(root, "hard-1"), join(root, "dir/hard-3"));
  settle(root, "dir", "new-dir", "empty-dir", "was-file", ".");
}

/** What is here already. */
function makeDestination(root: string): void {
  mkdirSync(root, { recursive: true });
  put(root, "same", "the same");
  put(root, "touched", "same content, new time");
  put(root, "grown", "x".repeat(3_000));
  put(root, "same-size", "AAAA");
  put(root, "older-here", "from here");
  put(root, "newer-here", "from here, much later", NEW);
  put(root, "mode", "mode");
  put(root, "was-dir/content", "in the way");
  link(root, "same", "was-link");
  put(root, "dir/inner", "inner");
  put(root, "dir/changed", "inner");
  put(root, "dir/extra", "to be deleted");
  put(root, "extra-dir/deep/er", "to be deleted");
  put(root, "was-file", "a file in the way of a directory");
  link(root, "same", "link");
  link(root, "old target", "relinked");
  put(root, "dir-to-link/below", "x");
  put(root, "hard-2", "not linked yet", NEW);
  settle(root, "dir", "was-dir", "extra-dir", "extra-dir/deep", "dir-to-link", ".");
}

/** `rsync -i` lines: what was deleted, and the rest. */
function readItemized(stdout: string): { lines: string[]; deleted: string[] } {
  const all = stdout.split("\n").filter((line) => /^(\*deleting |[<>ch.][fdLDS])/.test(line));
  return {
    lines: all.filter((line) => !line.startsWith("*")).toSorted(),
    deleted: all
      .filter((line) => line.startsWith("*"))
      .map((line) => line.slice("*deleting   ".length))
      .toSorted(),
  };
}

interface Case {
  readonly title: string;
  readonly args: readonly string[];
  readonly options: TransferOptions;
}

const DELETE = { delete: true } as const;

const CASES: readonly Case[] = [
  { title: "-aH --delete", args: ["-aH", "--delete"], options: { ...ARCHIVE, ...DELETE } },
  {
    title: "-a --force",
    args: ["-a", "--force"],
    options: { ...ARCHIVE, hardLinks: false, force: true },
  },
  {
    title: "-aHc --delete",
    args: ["-aHc", "--delete"],
    options: { ...ARCHIVE, ...DELETE, checksum: true },
  },
  {
    title: "-aHW --delete",
    args: ["-aHW", "--delete"],
    options: { ...ARCHIVE, ...DELETE, wholeFile: true },
  },
  {
    title: "-aH --size-only --delete",
    args: ["-aH", "--size-only", "--delete"],
    options: { ...ARCHIVE, ...DELETE, sizeOnly: true },
  },
  {
    title: "-aHI --delete",
    args: ["-aHI", "--delete"],
    options: { ...ARCHIVE, ...DELETE, ignoreTimes: true },
  },
  {
    title: "-aHu --delete",
    args: ["-aHu", "--delete"],
    options: { ...ARCHIVE, ...DELETE, update: true },
  },
  {
    title: "-aH --existing --delete",
    args: ["-aH", "--existing", "--delete"],
    options: { ...ARCHIVE, ...DELETE, existing: true },
  },
  {
    title: "-aH --ignore-existing --delete",
    args: ["-aH", "--ignore-existing", "--delete"],
    options: { ...ARCHIVE, ...DELETE, ignoreExisting: true },
  },
  {
    title: "-rl --delete",
    args: ["-rl", "--delete"],
    options: { recursive: true, links: true, ...DELETE },
  },
  {
    title: "-rt --delete",
    args: ["-rt", "--delete"],
    options: { recursive: true, times: true, ...DELETE },
  },
  {
    title: "-rlpt --modify-window=-1 --delete",
    args: ["-rlpt", "--modify-window=-1", "--delete"],
    options: {
      recursive: true,
      links: true,
      perms: true,
      times: true,
      modifyWindow: -1,
      ...DELETE,
    },
  },
  {
    title: "-aH --delete --exclude",
    args: ["-aH", "--delete", "--exclude=extra", "--exclude=/same*"],
    options: { ...ARCHIVE, ...DELETE, filterRules: ["- extra", "- /same*"] },
  },
  {
    title: "-aH --delete --no-inc-recursive",
    args: ["-aH", "--delete", "--no-inc-recursive"],
    options: { ...ARCHIVE, ...DELETE, incRecursive: false },
  },
];

describeWithPeers(["rsync"], "rsync client options, each as the real rsync does it", () => {
  it.each(CASES)("$title", async ({ args, options }) => {
    await using dir = tempDir();
    makeSource(dir.at("src"));
    makeDestination(dir.at("ours"));
    makeDestination(dir.at("real"));
    await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    const real = await run(requirePeer("rsync"), [
      ...args,
      "-i",
      daemon.url("src"),
      `${dir.at("real")}/`,
    ]);

    const pull = { ...options, port: daemon.port, destination: dir.at("ours") };
    await runOk("cp", ["-a", dir.at("ours"), dir.at("untouched")]);
    const dry = await pullFromDaemon({ ...pull, dryRun: true });
    expect(treeDifferences(dir.at("untouched"), dir.at("ours"))).toEqual([]);

    const done = await pullFromDaemon(pull);
    expect(done.summary.exitCode).toBe(real.code);
    // Without times, a time is whenever it was.
    const times = options.times === true ? "all" : "none";
    expect(treeDifferences(dir.at("real"), dir.at("ours"), { times })).toEqual([]);
    const wanted = readItemized(real.stdout);
    expect(done.deleted.toSorted()).toEqual(wanted.deleted);
    expect(comparable(done.lines)).toEqual(comparable(wanted.lines));
    expect(dry.deleted.toSorted()).toEqual(done.deleted.toSorted());
    expect(dry.lines.toSorted()).toEqual(done.lines.toSorted());
  });

  it("shares inodes with a --link-dest directory as the real rsync does", async () => {
    await using dir = tempDir();
    makeSource(dir.at("src"));
    makeDestination(dir.at("previous"));
    // A copy of what the sender has: everything that can be shared is there.
    makeSource(dir.at("older"));
    put(dir.at("older"), "mode", "mode", OLD, 0o640);
    await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    const linkDest = ["../older", dir.at("previous")];
    await runOk(requirePeer("rsync"), [
      "-aH",
      ...linkDest.map((path) => `--link-dest=${path}`),
      daemon.url("src"),
      `${dir.at("real")}/`,
    ]);
    const { summary } = await pullFromDaemon({
      ...ARCHIVE,
      port: daemon.port,
      destination: dir.at("ours"),
      linkDest,
    });
    expect(summary.exitCode).toBe(0);
    expect(treeDifferences(dir.at("src"), dir.at("ours"))).toEqual([]);
    const shared = (root: string): string[] =>
      ["same", "touched", "grown", "mode", "only-there", "dir/inner", "new-dir/a", "hard-1", "link"]
        .filter((name) => {
          const here = lstatSync(join(root, name));
          return [dir.at("older"), dir.at("previous")].some(
            (other) =>
              existsSync(join(other, name)) && lstatSync(join(other, name)).ino === here.ino,
          );
        })
        .toSorted();
    expect(shared(dir.at("ours"))).toEqual(shared(dir.at("real")));
    expect(shared(dir.at("ours"))).toContain("same");
    expect(shared(dir.at("ours"))).not.toContain("mode");
  });

  it("takes a single file to a new name, into a directory, and into one that is missing", async () => {
    await using dir = tempDir();
    makeSource(dir.at("src"));
    mkdirSync(dir.at("there"));
    await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    for (const [destination, file] of [
      ["renamed", "renamed"],
      ["there", "there/grown"],
      ["missing/", "missing/grown"],
    ] as const) {
      const { summary } = await pullFromDaemon({
        times: true,
        perms: true,
        port: daemon.port,
        path: "grown",
        destination: `${dir.path}/${destination}`,
      });
      expect(summary).toMatchObject({ exitCode: 0, transferredFiles: 1 });
      expect(readFileSync(dir.at(file), "utf8")).toBe(readFileSync(dir.at("src", "grown"), "utf8"));
    }
    // Over the file of that name, with a delta of it.
    put(dir.at("src"), "grown", `${"x".repeat(3_000)} and still more`, NEW + 1);
    const again = await pullFromDaemon({
      times: true,
      port: daemon.port,
      path: "grown",
      destination: dir.at("renamed"),
    });
    expect(again.summary).toMatchObject({ exitCode: 0, transferredFiles: 1 });
    expect(again.summary.matchedBytes).toBeGreaterThan(2_000);
  });

  it("names a path that does not exist, with exit code 23", async () => {
    await using dir = tempDir();
    makeSource(dir.at("src"));
    await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    const { summary } = await pullFromDaemon({
      ...ARCHIVE,
      port: daemon.port,
      path: "no such",
      destination: dir.at("dest"),
    });
    expect(summary.exitCode).toBe(23);
    expect(summary.problems.join()).toMatch(/no such.*No such file/);
    expect(existsSync(dir.at("dest"))).toBe(false);
  });

  it("lists without touching anything", async () => {
    await using dir = tempDir();
    makeSource(dir.at("src"));
    await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    const names: string[] = [];
    const { summary } = await pullFromDaemon({
      ...ARCHIVE,
      port: daemon.port,
      destination: dir.at("nowhere"),
      onListed: (entry) => names.push(entry.name),
    });
    expect(summary).toMatchObject({ exitCode: 0, transferredFiles: 0 });
    expect(names).toContain("dir/hard-3");
    expect(names).toContain(".");
    expect(existsSync(dir.at("nowhere"))).toBe(false);
  });

  it("logs in with a password, and says no more than the daemon when it is wrong", async () => {
    await using dir = tempDir();
    makeSource(dir.at("src"));
    await using daemon = await startRealRsyncd({
      modules: { src: { path: dir.at("src"), settings: { comment: "what we have" } } },
      users: { alice: "sesame" },
    });
    const options = { ...ARCHIVE, port: daemon.port, user: "alice", destination: dir.at("dest") };
    for (const protocol of [30, 31, 32]) {
      const good = await pullFromDaemon({ ...options, protocol, password: "sesame" });
      expect(good.summary.exitCode).toBe(0);
    }
    rmSync(dir.at("dest"), { recursive: true });
    for (const wrong of [{ password: "Sesame" }, { user: "bob", password: "sesame" }, {}]) {
      const refused = await pullFromDaemon({ ...options, ...wrong }).catch((error) => error);
      expect(refused).toBeInstanceOf(RsyncError);
      expect(refused).toMatchObject({ code: "ERR_RSYNC_REFUSED", exitCode: 5 });
      expect(refused.message).not.toMatch(/sesame/i);
    }
    const unknown = await pullFromDaemon({ ...options, module: "other" }).catch((error) => error);
    expect(unknown).toMatchObject({ code: "ERR_RSYNC_REFUSED", exitCode: 5 });
    expect(unknown.message).toMatch(/Unknown module 'other'/);
    expect(existsSync(dir.at("dest"))).toBe(false);

    const socket = await dial(daemon.port);
    const wire = new Wire(socket);
    const modules: string[] = [];
    await listModules(wire, 32, (line) => modules.push(line));
    wire.release();
    socket.destroy();
    expect(modules).toEqual(["src            \twhat we have"]);
  });
});

/** Without the targets of links, and without the hard link group: any of it may be the one that is transferred. */
function comparable(lines: readonly string[]): string[] {
  return lines
    .filter((line) => !/ (dir\/)?hard-\d/.test(line))
    .map((line) => line.replace(/ (->|=>) .*$/, ""))
    .toSorted();
}
