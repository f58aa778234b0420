import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { treeDifferences } from "./support/compare-trees.ts";
import { DIALHOME } from "./support/dialhome-cli.ts";
import { changeMetadata, makeMetadataTree } from "./support/metadata-tree.ts";
import { startOurRsyncd } from "./support/our-rsyncd.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { run, runOk } from "./support/processes.ts";
import { ARCHIVE, type Pulled, pullFromDaemon } from "./support/pull-real.ts";
import { type RealRsyncd, startRealRsyncd } from "./support/real-rsyncd.ts";
import { type TempDir, tempDir } from "./support/temp-dir.ts";
import { makeNastyTree } from "./support/tree.ts";

/** What one of the two clients printed, line by line, and how it ended. */
interface Told {
  readonly code: number | null;
  readonly lines: readonly string[];
  readonly stderr: string;
}

/** Which of two names of a file is told as the link is not the same; and our lines escape a few bytes more. */
const lines = (text: string): string[] =>
  text
    .split("\n")
    .filter(
      (line) =>
        line !== "" &&
        !/ (?:long\b|fifo$)|\t|\\#0(?:01|11)|links\/(?:first|pair|deep\/)|names\/third/.test(line),
    )
    .toSorted();

/** How both clients pull. */
interface Way {
  /** `@` in an option stands for the folder that a client pulls to. */
  readonly options: readonly string[];
  /** Behind the names of the two folders. */
  readonly into?: string;
  /** A program that runs the client, such as setpriv. */
  readonly through?: readonly string[];
}

/** Pulls with the real rsync into `real`, and with `dialhome rsync` and the same options into `ours`. */
async function pullWithBoth(
  dir: TempDir,
  daemon: RealRsyncd,
  { options, into = "", through = [] }: Way,
): Promise<{ real: Told; ours: Told }> {
  const pull = async (client: readonly string[], folder: string): Promise<Told> => {
    mkdirSync(dir.at(`${folder}${into}`), { recursive: true });
    const own = options.map((option) => option.replaceAll("@", folder));
    const words = [...through, ...client, ...own, daemon.url("src"), `${folder}${into}/`];
    const [program = "", ...args] = words;
    const { code, stdout, stderr } = await run(program, args, { cwd: dir.path });
    return { code, lines: lines(stdout), stderr };
  };
  return {
    real: await pull([requirePeer("rsync")], "real"),
    ours: await pull([...DIALHOME, "rsync"], "ours"),
  };
}

function expectAlike({ real, ours }: { real: Told; ours: Told }): void {
  expect({ code: ours.code, lines: ours.lines }, ours.stderr).toEqual({
    code: real.code,
    lines: real.lines,
  });
}

/** Names that are the same file in both folders. */
function sharedWith(folder: string, other: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => {
      const stat = lstatSync(join(folder, name));
      return stat.ino === lstatSync(join(other, name), { throwIfNoEntry: false })?.ino;
    })
    .toSorted();
}

/** New permissions and owners, old content. */
async function changeModes(root: string): Promise<void> {
  await runOk("chmod", ["0751", join(root, "modes/setuid"), join(root, "names/a.b")]);
  await runOk("chmod", ["0640", join(root, "modes/setgid")]);
  await runOk("chmod", ["0700", join(root, "empty")]);
  await runOk("chown", [
    "--no-dereference",
    "3:4",
    join(root, "names/-rf"),
    join(root, "to-folder"),
  ]);
}

describeWithPeers(["rsync", "root"], "metadata, as the real rsync keeps it", () => {
  for (const options of [
    ["-aHAXi"],
    ["-aHAXi", "--numeric-ids", "--protocol=30", "--no-inc-recursive"],
    ["-aHXi", "--protocol=31"],
  ]) {
    it(`${options.join(" ")}: all at first, then what changed, then nothing`, async () => {
      await using dir = tempDir();
      mkdirSync(dir.at("src"));
      await makeMetadataTree(dir.at("src"));
      await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
      const same = (): void => {
        expect(treeDifferences(dir.at("real"), dir.at("ours"), { attributes: true })).toEqual([]);
      };
      expectAlike(await pullWithBoth(dir, daemon, { options }));
      same();
      changeMetadata(dir.at("src"));
      expectAlike(await pullWithBoth(dir, daemon, { options: [...options, "-n"] }));
      expectAlike(await pullWithBoth(dir, daemon, { options }));
      same();
      const last = await pullWithBoth(dir, daemon, { options });
      expectAlike(last);
      expect(last.ours.lines).toEqual([]);
    });
  }

  it("comes from our own daemon as well", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    await makeMetadataTree(dir.at("src"));
    await using daemon = await startOurRsyncd({ modules: [{ name: "src", path: dir.at("src") }] });
    const options = { ...ARCHIVE, acls: true, xattrs: true, destination: dir.at("dest") };
    const pull = (): Promise<Pulled> => pullFromDaemon({ ...options, port: daemon.port });
    expect((await pull()).summary).toMatchObject({ exitCode: 0, problems: [] });
    expect(treeDifferences(dir.at("src"), dir.at("dest"), { attributes: true })).toEqual([]);
    changeMetadata(dir.at("src"));
    expect((await pull()).lines).toContain(".d.......ax folder/");
    expect(treeDifferences(dir.at("src"), dir.at("dest"), { attributes: true })).toEqual([]);
    expect((await pull()).lines).toEqual([]);
  });

  it("an attribute or a list that differs from the one in --link-dest makes a copy", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    await makeMetadataTree(dir.at("src"));
    await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    expectAlike(await pullWithBoth(dir, daemon, { options: ["-aAX"], into: "-1" }));
    changeMetadata(dir.at("src"));
    const options = ["-aAX", "--link-dest=../@-1"];
    expectAlike(await pullWithBoth(dir, daemon, { options, into: "-2" }));
    expect(
      treeDifferences(dir.at("real-2"), dir.at("ours-2"), { attributes: true, hardLinks: false }),
    ).toEqual([]);
    expect(sharedWith(dir.at("ours-2"), dir.at("ours-1"))).toEqual(
      sharedWith(dir.at("real-2"), dir.at("real-1")),
    );
  });

  for (const options of [
    ["-rlptgoDi", "--chmod=Dg+s,ug+w,Fo-w,+X", "--chown=daemon:54321"],
    ["-rltDi", "--chmod=D2750,F604", "--safe-links"],
    ["-ai", "--chmod=u=rwX,go=u,go-w", "-O", "-J"],
    ["-ai", "--usermap=0-99:7777,d*:8,*:4444", "--groupmap=root:daemon,:99", "--munge-links"],
    ["-ai", "--numeric-ids", "--usermap=*:3,0:1"],
    ["-rltEi", "--no-super"],
    ["-aSi", "--no-perms"],
  ]) {
    it(`${options.join(" ")}, before and after changes`, async () => {
      await using dir = tempDir();
      mkdirSync(dir.at("src"));
      await makeNastyTree(dir.at("src"));
      await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
      const times = { times: options.includes("-O") ? "none" : "all" } as const;
      expectAlike(await pullWithBoth(dir, daemon, { options }));
      expect(treeDifferences(dir.at("real"), dir.at("ours"), times)).toEqual([]);
      await changeModes(dir.at("src"));
      expectAlike(await pullWithBoth(dir, daemon, { options }));
      expect(treeDifferences(dir.at("real"), dir.at("ours"), times)).toEqual([]);
    });
  }

  for (const through of [[], ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]]) {
    for (const options of [["-aHAXi"], ["-aHAXi", "--fake-super"]]) {
      it(`${options.join(" ")} ${through.length === 0 ? "as root" : "as nobody"}`, async () => {
        await using dir = tempDir();
        chmodSync(dir.path, 0o777);
        mkdirSync(dir.at("src"));
        mkdirSync(dir.at("src/nasty"));
        await makeNastyTree(dir.at("src/nasty"));
        await makeMetadataTree(dir.at("src"));
        await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
        for (const folder of ["real", "ours"]) {
          mkdirSync(dir.at(folder));
          if (through.length > 0) chownSync(dir.at(folder), 65_534, 65_534);
        }
        // The real rsync takes an access list that it has just written down for a surplus attribute; its next run mends that.
        const losesLists = options.includes("--fake-super");
        const expectSame = async (): Promise<void> => {
          const again = await pullWithBoth(dir, daemon, { options, through });
          if (!losesLists) expectAlike(again);
          expect(treeDifferences(dir.at("real"), dir.at("ours"), { attributes: true })).toEqual([]);
        };
        expectAlike(await pullWithBoth(dir, daemon, { options, through }));
        await expectSame();
        changeMetadata(dir.at("src"));
        expectAlike(await pullWithBoth(dir, daemon, { options, through }));
        await expectSame();
        if (!options.includes("--fake-super")) return;
        // The real rsync makes of it what it was made from.
        const back = ["-aHAX", "--fake-super", "-M--super", "--numeric-ids"];
        await runOk(requirePeer("rsync"), [...back, dir.at("ours/"), dir.at("back/")]);
        expect(treeDifferences(dir.at("src"), dir.at("back"), { attributes: true })).toEqual([]);
      });
    }
  }
});
