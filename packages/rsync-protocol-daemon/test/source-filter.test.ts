import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { parseModuleFilters, parseSentFilter } from "@dialhome/rsync-protocol";
import { expect, test } from "vitest";
import { SourceFilter } from "../src/source-filter.ts";
import { tempFolder } from "./support/scripted-client.ts";

test("the module's rules are seen from the module's root, the client's from the transfer's", () => {
  const filter = new SourceFilter(
    {
      module: parseModuleFilters({ exclude: "/sub/hidden" }),
      client: [parseSentFilter("- /own")],
    },
    "sub",
  );
  expect(filter.excludes("hidden", false)).toBe(true);
  expect(filter.excludes("own", false)).toBe(true);
  expect(filter.excludes("sub/own", false)).toBe(false);
  expect(filter.hidesRequested("hidden/deep/inside", false)).toBe(true);
  // What the client excludes it may still ask for by name.
  expect(filter.hidesRequested("own", false)).toBe(false);
});

test("merge files count in their directory and below, in whatever order directories come", async () => {
  await using folder = tempFolder();
  for (const name of ["a/b/c", "d"]) mkdirSync(join(folder.path, name), { recursive: true });
  writeFileSync(join(folder.path, "a/.rules"), "- x\n");
  writeFileSync(join(folder.path, "a/b/.rules"), "+ x\n");
  writeFileSync(join(folder.path, "outside"), "- x\n");
  symlinkSync("../outside", join(folder.path, "d/.rules"));
  const filter = new SourceFilter({ module: [], client: [parseSentFilter(": .rules")] }, "");
  const excluded = (directory: string): boolean => {
    const handles: DirectoryHandle[] = [];
    filter.enter(directory, (name) => {
      const handle = DirectoryHandle.open(join(folder.path, name));
      handles.push(handle);
      return handle;
    });
    for (const handle of handles) handle.close();
    return filter.excludes(directory === "." ? "x" : `${directory}/x`, false);
  };
  expect([".", "a", "a/b", "a/b/c", "a", "d", "a/b/c", "."].map(excluded)).toEqual([
    false,
    true,
    false,
    false,
    true,
    // A link is not read.
    false,
    false,
    false,
  ]);
});
