// npm run demo, with a small directory: what it says is true, and the directory stays as it is.
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { treeDifferences } from "./support/compare-trees.ts";
import { FROM_SOURCE } from "./support/dialhome-cli.ts";
import { run, runOk } from "./support/processes.ts";
import { tempDir } from "./support/temp-dir.ts";

const DEMO = fileURLToPath(new URL("../packages/dialhome/src/demo/demo.ts", import.meta.url));
const [node, ...flags] = FROM_SOURCE;

it("backs up twice, verifies, restores, and touches nothing but its own folder", {
  timeout: 180_000,
}, async () => {
  await using folder = tempDir();
  const source = folder.at("source");
  mkdirSync(join(source, "letters"), { recursive: true });
  for (let at = 0; at < 40; at++)
    writeFileSync(join(source, "letters", `${at}.txt`), `letter ${at}\n`);
  writeFileSync(join(source, "large"), Buffer.alloc(3_000_000, "large "));
  await runOk("cp", ["-a", source, folder.at("before")]);

  const { code, stdout, stderr } = await run(node, [...flags, DEMO, source]);
  // It leaves what it made to be looked at, and says where.
  const root = /(?:rm -r |lies in )(\S*dialhome-demo-\w+)\n/.exec(`${stdout}${stderr}`)?.[1] ?? "";
  await using _made = { [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) };
  expect([code, stderr]).toEqual([0, ""]);
  expect(treeDifferences(folder.at("before"), source)).toEqual([]);

  expect(stdout).toMatch(/41 files in 2 directories, 3\.0 MB\n/);
  expect(stdout.match(/snapshot \S+Z\.00000[12]: 41 files, 3\.0 MB, in /g)).toHaveLength(2);
  expect(stdout.match(/: as it was saved; 43 entries, 3\.0 MB read\n/g)).toHaveLength(2);
  const [, sent, unit] = /^ {2}([\d.]+) (k?B) went over the wire/m.exec(stdout) ?? [];
  expect(Number(sent) * (unit === "kB" ? 1000 : 1)).toBeLessThan(100_000);

  expect(readFileSync(join(root, "host/restored/large"))).toEqual(
    readFileSync(join(source, "large")),
  );
  expect(statSync(join(root, "device/files/new-since-yesterday.txt")).isFile()).toBe(true);
});

it("fails in one line where there is nothing to show", async () => {
  const { code, stdout, stderr } = await run(node, [...flags, DEMO, "/nonexistent"]);
  expect([code, stdout, stderr]).toEqual([
    1,
    "",
    "\nThe demo failed: /nonexistent is no directory\n",
  ]);
});
