import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BackupOptions, Backups } from "../src/backups.ts";
import { DestinationTree } from "../src/destination-tree.ts";

let root = "";
let tree: DestinationTree;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "dialhome-backups-"));
  mkdirSync(join(root, "dest/a/b"), { recursive: true, mode: 0o750 });
  writeFileSync(join(root, "dest/a/b/file"), "old");
  tree = new DestinationTree(DirectoryHandle.open(join(root, "dest")));
});

afterEach(() => {
  tree[Symbol.dispose]();
  rmSync(root, { recursive: true, force: true });
});

const backupsWith = (options: Partial<BackupOptions> = {}): Backups =>
  new Backups(tree, { directory: undefined, suffix: undefined, owner: false, ...options });
const text = (path: string): string => readFileSync(join(root, path), "utf8");

describe("Backups", () => {
  it("tells what is kept where, as it was asked for", async () => {
    const told: object[] = [];
    const onBackup = (backedUp: object): void => void told.push(backedUp);
    using beside = backupsWith({ onBackup });
    beside.keep("a/b/file", "link");
    beside.keep("a/b/none", "link");
    using apart = backupsWith({
      directory: "kept",
      suffix: ".o",
      shownDirectory: "kept/",
      onBackup,
    });
    await apart.copy("a/b/file");
    expect(told).toEqual([
      { name: "a/b/file", keptAs: "a/b/file~" },
      { name: "a/b/file", keptAs: "kept/a/b/file.o" },
    ]);
  });

  it("gives a file a second name, or its only one", () => {
    using backups = backupsWith();
    expect(backups.keep("a/b/file", "link")).toBe("linked");
    expect(statSync(join(root, "dest/a/b/file~")).ino).toBe(
      statSync(join(root, "dest/a/b/file")).ino,
    );
    expect(backups.keep("a/b/file", "rename")).toBe("moved");
    expect(existsSync(join(root, "dest/a/b/file"))).toBe(false);
    expect(backups.keep("a/b/file", "link")).toBe("none");
    expect(backups.keep("a/b", "link")).toBe("none");
    expect([backups.isBackup("a/b/file~"), backups.isBackup("~"), backups.isBackup("x")]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it("makes the way into a directory of backups, over whatever stands there, and follows no link", () => {
    mkdirSync(join(root, "kept/a/b/file.1"), { recursive: true });
    mkdirSync(join(root, "elsewhere"));
    using backups = backupsWith({ directory: "../kept", suffix: ".1" });
    backups.keep("a/b/file", "link");
    expect(text("kept/a/b/file.1")).toBe("old");
    rmSync(join(root, "kept/a"), { recursive: true });
    symlinkSync("../elsewhere", join(root, "kept/a"));
    using again = backupsWith({ directory: "../kept", suffix: ".1" });
    again.keep("a/b/file", "link");
    expect(existsSync(join(root, "elsewhere/b"))).toBe(false);
    expect(text("kept/a/b/file.1")).toBe("old");
    expect(statSync(join(root, "kept/a/b")).mode & 0o777).toBe(0o750);
    expect(again.isBackup("a/b/file.1")).toBe(false);
  });

  it("copies what will be written over", async () => {
    using backups = backupsWith();
    writeFileSync(join(root, "dest/a/b/file~"), "an older one");
    expect(await backups.copy("a/b/file")).toBe(true);
    writeFileSync(join(root, "dest/a/b/file"), "new");
    expect(text("dest/a/b/file~")).toBe("old");
    expect(await backups.copy("a/none")).toBe(false);
  });

  it("says so when it cannot keep something, so that nothing takes its place", () => {
    writeFileSync(join(root, "file"), "");
    using backups = backupsWith({ directory: "../file/below" });
    expect(() => backups.keep("a/b/file", "link")).toThrow(
      expect.objectContaining({ code: "ERR_RSYNC_FILE", exitCode: 11 }),
    );
  });
});
