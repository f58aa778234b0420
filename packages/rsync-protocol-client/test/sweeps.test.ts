import { type FileEntry, FileLists } from "@dialhome/rsync-protocol";
import { describe, expect, it } from "vitest";
import type { Session } from "../src/pull-context.ts";
import { Sweeps } from "../src/sweeps.ts";
import { fileEntry } from "./support/entries.ts";

const FILES = 700;

const directory = (name: string, hasContent = true): FileEntry =>
  fileEntry(name, { mode: 0o040755, hasContent });

/** What is kept in each directory that is swept, when a whole list is worked on. */
async function kept(entries: readonly FileEntry[], when: "before" | "during" | "after") {
  const swept = new Map<string, readonly string[]>();
  const options = { delete: when };
  const terms = { format: { incRecurse: false } };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all of a session that counts here
  const session = { options, terms, tally: { ioError: 0 } } as unknown as Session;
  const sweeps = new Sweeps(
    session,
    { isHere: () => true, wasCreated: (name) => name === "made", isMissing: () => false },
    {
      sweep: async (path, keep) => {
        swept.set(path, [...keep].toSorted());
      },
      removeDelayed: async () => undefined,
    },
  );
  const lists = new FileLists(false);
  const list = lists.begin();
  for (const entry of entries) list.wire.push(entry);
  lists.add(list);
  await sweeps.begin(list);
  for (const { name } of entries) if (when === "during") await sweeps.directory(name);
  await sweeps.end(list);
  return swept;
}

describe("sweeps of a whole list", () => {
  const files = Array.from({ length: FILES }, (_, i) => `${i}`);

  it.each(["before", "during", "after"] as const)("keep what the list has (%s)", async (when) => {
    for (const many of [files, files.slice(0, 3)]) {
      const entries = [
        directory("."),
        directory("d"),
        directory("d/e"),
        directory("on the way", false),
        directory("empty"),
        ...many.map((name) => fileEntry(`d/e/${name}`)),
        fileEntry("f"),
        fileEntry("d/f"),
        fileEntry("on the way/g"),
      ];
      expect(await kept(entries, when)).toEqual(
        new Map([
          [".", ["d", "empty", "f", "on the way"]],
          ["d", ["e", "f"]],
          ["d/e", many.toSorted()],
          ["empty", []],
        ]),
      );
    }
  });
});
