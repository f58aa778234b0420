// What is told of groups of hard links, by us and by rsync. One seed again: DIALHOME_SEED=…; how many: DIALHOME_SEEDS=….
import { expect, it } from "vitest";
import { compareHardLinkLines } from "../support/hard-link-lines.ts";

const first = process.env["DIALHOME_SEED"] ?? "soak";
const count = Number(process.env["DIALHOME_SEEDS"] ?? 20);

const OPTIONS = [
  "-aHi",
  "-aHii",
  "-aHv",
  "-aHvv",
  "-aHivv",
  "-rlHi",
  "-aHni",
  "-aHnv",
  "-aHci",
  "-aHWi",
  "-aHui",
  "-aHi --existing",
  "-aHi --ignore-existing",
  "-aHi --inplace",
  "-aHi --delete",
  "-aHi --max-size=5",
  "-aHi --size-only",
  "-aHi --backup",
  "-aHi --delay-updates",
  ...["link", "copy", "compare"].flatMap((use) =>
    ["-aHi", "-aHii", "-aHni", "-aHvv"].map((options) => `${options} --${use}-dest=../ref`),
  ),
];

it.each(Array.from({ length: count }, (_, n) => `${first}-${n}`))("seed %s", async (seed) => {
  expect((await compareHardLinkLines(seed, OPTIONS)).join("\n")).toBe("");
});
