import { expect, test } from "vitest";
import { isRefusedOption, optionLabel, refusedOption } from "../src/refused-options.ts";

const refuses = (patterns: string, names: string): string[] =>
  names.split(" ").filter((name) => isRefusedOption(name, patterns.split(" ")));

test("names, letters, wildcards, and exceptions, in their order", () => {
  expect(refuses("c files-from", "checksum files-from relative")).toEqual([
    "checksum",
    "files-from",
  ]);
  expect(refuses("*-links", "copy-links hard-links links")).toEqual(["copy-links", "hard-links"]);
  expect(refuses("* !a !v", "recursive links devices verbose checksum")).toEqual(["checksum"]);
  expect(refuses("!c c", "checksum")).toEqual(["checksum"]);
  expect(refuses("c !c", "checksum")).toEqual([]);
  expect(refuses("archive", "recursive times owner checksum")).toEqual([
    "recursive",
    "times",
    "owner",
  ]);
});

test("what clients cannot do without is refused by its own name alone", () => {
  expect(refuses("*", "from0 dry-run secluded-args checksum-seed times")).toEqual(["times"]);
  expect(refuses("* from0", "from0")).toEqual(["from0"]);
});

test("a refusal names the letter too", () => {
  expect([optionLabel("checksum"), optionLabel("files-from")]).toEqual([
    "--checksum (-c)",
    "--files-from",
  ]);
});

// As the real daemon has it, tried with -M.
test("who refuses to delete refuses it in each of its kinds", () => {
  const refused = (patterns: string, given: string): string | undefined =>
    refusedOption(given.split(" "), patterns.split(" "));
  expect(refused("delete", "links delete-during")).toBe("delete");
  expect(refused("delete", "remove-source-files")).toBe("delete");
  expect(refused("delete", "max-delete force")).toBeUndefined();
  expect(refused("delete-*", "delete")).toBe("delete-before");
  expect(refused("delete-*", "delete-excluded")).toBe("delete-excluded");
  expect(refused("delete-during", "delete")).toBeUndefined();
  expect(refused("i", "stats itemize-changes")).toBe("itemize-changes");
});
