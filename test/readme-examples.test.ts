import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);
const packages = new URL("../packages/", import.meta.url);

/** The first TypeScript block of a package's README. */
function exampleOf(name: string): string | undefined {
  const readme = readFileSync(new URL(`${name}/README.md`, packages), "utf8");
  return /^```ts\n(.*?)^```/ms.exec(readme)?.[1];
}

const libraries = readdirSync(packages).filter((name) => name !== "dialhome");

test.each(libraries)("the example in the README of %s runs as it stands", async (name) => {
  const example = exampleOf(name);
  expect(example).toBeDefined();
  // Beside the package's sources, so that its imports are found; never committed.
  const folder = new URL(`${name}/node_modules/.readme/`, packages);
  const file = new URL("example.mts", folder);
  await mkdir(folder, { recursive: true });
  await writeFile(file, example ?? "");
  try {
    await run(
      process.execPath,
      [
        "--conditions=@dialhome/source",
        `--import=${import.meta.resolve("tsx")}`,
        fileURLToPath(file),
      ],
      { timeout: 50_000 },
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});
