import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { tempDir } from "./support/temp-dir.ts";

const packages = new URL("../packages/", import.meta.url);
/** Their examples are servers. */
const SERVES = new Set(["rsync-protocol-daemon"]);

/** The first TypeScript block of a package's README, and those that say that they run. */
function examplesOf(name: string): readonly string[] {
  const readme = readFileSync(new URL(`${name}/README.md`, packages), "utf8");
  const first = /^```ts\n(.*?)^```/ms.exec(readme)?.[1];
  const more = [...readme.matchAll(/^```ts run\n(.*?)^```/gms)].map((match) => match[1]);
  return [first ?? "", ...more.map((each) => each ?? "")];
}

const libraries = readdirSync(packages).filter((name) => name !== "dialhome");
const examples = libraries.flatMap((name) =>
  examplesOf(name).map((example, index) => ({ name, number: index + 1, example })),
);

test.each(examples)("example $number in the README of $name runs as it stands", async (one) => {
  const { name, number, example } = one;
  expect(example).not.toBe("");
  // Beside the package's sources, so that its imports are found; never committed.
  const folder = new URL(`${name}/node_modules/.readme-${number}/`, packages);
  const file = new URL("example.mts", folder);
  await mkdir(folder, { recursive: true });
  await using temporary = tempDir();
  await writeFile(file, example);
  try {
    const child = spawn(
      process.execPath,
      [
        "--conditions=@dialhome/source",
        `--import=${import.meta.resolve("tsx")}`,
        fileURLToPath(file),
      ],
      { env: { ...process.env, TMPDIR: temporary.path } },
    );
    let said = "";
    let complained = "";
    child.stderr.on("data", (text: Buffer) => {
      complained += text.toString();
    });
    // An example that serves would do so for ever: its first words show that it runs.
    child.stdout.on("data", (text: Buffer) => {
      said += text.toString();
      if (SERVES.has(name)) child.kill();
    });
    const [code, signal] = await once(child, "close");
    expect({ code, signal, complained }).toEqual(
      SERVES.has(name)
        ? { code: null, signal: "SIGTERM", complained: "" }
        : { code: 0, signal: null, complained: "" },
    );
    expect(said).not.toBe("");
  } finally {
    await rm(folder, { recursive: true });
  }
});
