import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";

/**
 * A process that swaps folders and files of a tree for links to outside of it and back, as fast as it can:
 * `link-swapper.ts TREE OUTSIDE`. Its standard output gets a line once it is at work.
 */
const [tree = "", outside = ""] = process.argv.slice(2);

/** What is swapped, and what for. */
const victims: readonly (readonly [name: string, target: string])[] = [
  ["folder", outside],
  ["a/inner", outside],
  ["a/inner-relative", "../../outside"],
  ["file", `${outside}/file`],
  ["a/file", "../../outside/file"],
];

for (const [name, target] of victims) {
  symlinkSync(target, `${tree}/${name}.link`);
  if (!name.endsWith("file")) {
    mkdirSync(`${tree}/${name}`, { recursive: true });
    writeFileSync(`${tree}/${name}/file`, "harmless");
  } else writeFileSync(`${tree}/${name}`, "harmless");
}
process.stdout.write("swapping\n");
process.stdin.on("end", () => process.exit(0)).resume();

function swapForAWhile(): void {
  for (let i = 0; i < 200; i++) {
    for (const [name] of victims) {
      const path = `${tree}/${name}`;
      renameSync(path, `${path}.real`);
      renameSync(`${path}.link`, path);
      renameSync(path, `${path}.link`);
      renameSync(`${path}.real`, path);
    }
  }
  setImmediate(swapForAWhile);
}
swapForAWhile();
