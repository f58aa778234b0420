import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { describe, expect, it } from "vitest";
import type { PullOptions } from "../src/index.ts";
import {
  DIRECTORY,
  ROOT,
  runSession,
  type SessionEnd,
  SYMLINK,
} from "./support/scripted-sender.ts";

/** A destination with `a`, and a folder beside it that must stay as it is. */
const before = (destination: string): void => {
  mkdirSync(join(destination, "../canaries"));
  writeFileSync(join(destination, "../canaries/a"), "canary");
  writeFileSync(join(destination, "a"), "old");
};

function assertUnharmed({ outside }: SessionEnd): void {
  expect([...outside]).toEqual([
    ["canaries", ""],
    ["canaries/a", "canary"],
    ["outside", "untouched"],
  ]);
}

describe("a place of our own that the sender puts a link into", () => {
  // The link is made by the very pull that then needs the place. The real rsync 3.5 writes backups through it.
  it.each<[string, Partial<PullOptions>]>([
    ["--backup-dir", { backup: true, backupDir: "0" }],
    ["--backup-dir, deeper", { backup: true, backupDir: "0/1" }],
    ["--backup-dir, and deletes", { backupDir: "0/canaries", delete: "after" }],
  ])("%s: nothing is replaced without its backup", async (_option, pull) => {
    const end = await runSession(
      async (s) => {
        s.list(
          ROOT,
          { name: "0", mode: SYMLINK, target: "../canaries" },
          { name: "a", size: 3 },
          { name: "d", mode: DIRECTORY },
        );
        await s.serve(31, () => ({ data: Buffer.from("new") }));
      },
      {
        before: (destination) => {
          before(destination);
          mkdirSync(join(destination, "d"));
          writeFileSync(join(destination, "d/gone"), "kept");
        },
        pull,
      },
    );
    expect(end.error).toMatchObject({ code: "ERR_RSYNC_FILE", exitCode: 11 });
    expect(String(end.error)).toMatch(/"0" in the destination is no directory/);
    expect([end.files.get("a"), end.files.get("d/gone")]).toEqual(["old", "kept"]);
    assertUnharmed(end);
  });

  it.each<[string, string, Partial<PullOptions>]>([
    ["--partial-dir", "0", { partialDir: "0" }],
    ["--delay-updates", ".~tmp~", { delayUpdates: true }],
  ])("%s: the link makes way", async (_option, name, pull) => {
    const end = await runSession(
      async (s) => {
        s.list(ROOT, { name, mode: SYMLINK, target: "../canaries" }, { name: "a", size: 3 });
        await s.serve(31, () => ({ data: Buffer.from("new") }));
      },
      { before, pull },
    );
    expect(end.error).toBeUndefined();
    expect(end.files.get("a")).toBe("new");
    assertUnharmed(end);
  });

  it("--temp-dir, left there by an earlier pull", async () => {
    let seen: string[] = [];
    const end = await runSession(
      async (s) => {
        s.list(ROOT, { name: "a", size: 3 });
        await s.serve(31, () => ({ data: Buffer.from("new") }));
      },
      {
        before: (destination) => {
          before(destination);
          symlinkSync("../canaries", join(destination, "tmp"));
          seen = readdirSync(join(destination, "../canaries"));
        },
        pull: { tempDir: "tmp" },
      },
    );
    expect(seen).toEqual(["a"]);
    expect(end.error).toMatchObject({ code: "ERR_RSYNC_OPTION", exitCode: 1 });
    assertUnharmed(end);
  });
});

describe("--inplace over what is no file", () => {
  it.each(["link", "fifo", "directory"])("%s", async (kind) => {
    const end = await runSession(
      async (s) => {
        s.list(ROOT, { name: "b", size: 3 });
        await s.serve(31, () => ({ data: Buffer.from("new") }));
      },
      {
        before: (destination) => {
          before(destination);
          if (kind === "link") symlinkSync("../canaries/a", join(destination, "b"));
          else if (kind === "directory") mkdirSync(join(destination, "b"));
          else {
            using directory = DirectoryHandle.open(destination);
            directory.mknod(Buffer.from("b"), 0o010600, 0, 0);
          }
        },
        pull: { inplace: true },
      },
    );
    expect(end.error).toBeUndefined();
    expect(end.files.get("b")).toBe("new");
    assertUnharmed(end);
  });
});
