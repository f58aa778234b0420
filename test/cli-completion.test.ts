// The completion script in a real bash.
import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { callDialhome } from "./support/dialhome-main.ts";
import { runOk } from "./support/processes.ts";
import { type TempDir, tempDir } from "./support/temp-dir.ts";

let folder: TempDir;

beforeAll(async () => {
  folder = tempDir();
  writeFileSync(folder.at("completion"), (await callDialhome(["completion", "bash"])).stdout);
});

afterAll(async () => {
  await folder[Symbol.asyncDispose]();
});

it.each([
  [["b"], "backup backup-host blink"],
  [["back", "--k"], ""],
  [["backup", "--known"], "--known-hosts"],
  [["rsync", "-av", "--link"], "--link-dest --links"],
  [["completion", ""], "completion"],
])("dialhome %j is completed to %j", async (words, expected) => {
  const typed = ["dialhome", ...words].map((word) => `'${word}'`).join(" ");
  const script = `. ./completion; COMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _dialhome; echo "\${COMPREPLY[@]}"`;
  const answer = await runOk("bash", ["-c", script], { cwd: folder.path });
  expect(answer.trim().split(" ").toSorted().join(" ")).toBe(expected);
});
