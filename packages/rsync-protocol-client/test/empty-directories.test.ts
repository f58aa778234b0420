import { FileList, FilterChain, parseSentFilter } from "@dialhome/rsync-protocol";
import { describe, expect, it } from "vitest";
import { dropEmptyDirectories } from "../src/empty-directories.ts";
import { fileEntry } from "./support/entries.ts";

function dropped(names: readonly string[], rules: readonly string[] = []): string[] {
  const list = new FileList(0, undefined);
  for (const name of names) {
    const mode = name.endsWith("/") ? 0o040755 : 0o100644;
    list.wire.push(fileEntry(name === "./" ? "." : name.replace(/\/$/, ""), { mode }));
  }
  list.complete();
  const chain = new FilterChain(rules.map(parseSentFilter), { side: "receiver" });
  dropEmptyDirectories(list, chain);
  const entries = Array.from({ length: list.length }, (_, i) => list.isDropped(i) && list.at(i));
  return entries.flatMap((entry) => (entry ? [entry.name] : [])).toSorted();
}

describe("dropEmptyDirectories", () => {
  it("drops chains of directories without a file, and keeps those on the way to one", () => {
    expect(dropped(["./", "a/", "a/b/", "c/", "c/d/", "c/d/file", "c/e/"])).toEqual([
      "a",
      "a/b",
      "c/e",
    ]);
  });

  it("keeps the root", () => {
    expect(dropped(["./"])).toEqual([]);
  });

  it("keeps a directory that a rule protects here, with those around it", () => {
    expect(dropped(["./", "a/", "a/b/", "a/c/"], ["- b"])).toEqual(["a/c"]);
  });
});
