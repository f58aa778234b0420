import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { expect, test } from "vitest";
import { isRoot, name, openDescriptors, scratch } from "./support/scratch.ts";

function levels(text: string, count: number): string[] {
  return Array.from({ length: count }, () => text);
}

test("a tree goes, what its symbolic links point at stays", () => {
  const { handle, path: root } = scratch();
  fs.mkdirSync(path.join(root, "kept/sub"), { recursive: true });
  fs.writeFileSync(path.join(root, "kept/sub/file"), "x");
  fs.mkdirSync(path.join(root, "tree/a/b/c"), { recursive: true });
  fs.writeFileSync(path.join(root, "tree/a/b/file"), "x");
  fs.symlinkSync("../../kept", path.join(root, "tree/a/link"));
  fs.symlinkSync(path.join(root, "kept"), path.join(root, "tree/link"));
  handle.mknod(name("fifo"), 0o10600);
  handle.removeTree(name("tree"));
  handle.removeTree(name("fifo"));
  handle.removeTree(name("absent"));
  expect(fs.readdirSync(root)).toEqual(["kept"]);
  expect(fs.readdirSync(path.join(root, "kept/sub"))).toEqual(["file"]);
  handle.symlink(name("kept"), name("link"));
  handle.removeTree(name("link"));
  expect(fs.readdirSync(root)).toEqual(["kept"]);
});

test("a thousand levels go, with few descriptors", () => {
  const { handle } = scratch();
  const before = openDescriptors();
  let level = handle;
  for (let i = 0; i < 1000; i++) {
    level.mkdir(name("d"));
    fs.writeFileSync(level.at(name(`file${i}`)), "");
    const next = level.openDirectory(name("d"));
    if (level !== handle) level.close();
    level = next;
  }
  level.close();
  handle.removeTree(name("d"));
  expect(handle.names().map(String)).toEqual(["file0"]);
  expect(openDescriptors()).toBe(before);
});

test("many wide and deep directories go as well", () => {
  const { handle, path: root } = scratch();
  const deep = path.join(root, "t", ...levels("x", 150));
  fs.mkdirSync(deep, { recursive: true });
  for (let i = 0; i < 6; i++)
    fs.mkdirSync(path.join(deep, `${i}`, ...levels("y", 70)), { recursive: true });
  // A name that the mover would take.
  fs.mkdirSync(path.join(root, "t", ".removing-0"));
  fs.writeFileSync(path.join(root, "t", ".removing-0", "f"), "");
  fs.writeFileSync(path.join(root, "t", ".removing-1"), "");
  handle.removeTree(name("t"));
  expect(handle.names()).toEqual([]);
});

const child = `
import { DirectoryHandle } from ${JSON.stringify(path.join(import.meta.dirname, "../src/index.ts"))};
process.setgid(65534); process.setuid(65534);
const root = DirectoryHandle.open(process.argv[1]);
root.removeTree(Buffer.from("tree"));
`;

test.runIf(isRoot)("an ordinary user's read-only directories go", () => {
  const { path: root } = scratch();
  fs.mkdirSync(path.join(root, "tree", ...levels("z", 100), "locked/inner"), { recursive: true });
  fs.writeFileSync(path.join(root, "tree/file"), "");
  spawnSync("chmod", ["-R", "a-w", path.join(root, "tree")]);
  fs.chmodSync(path.join(root, "tree", ...levels("z", 100), "locked"), 0);
  spawnSync("chown", ["-R", "65534:65534", root]);
  const args = [
    "--conditions=@dialhome/source",
    "--import=tsx",
    "--input-type=module",
    "-e",
    child,
  ];
  const result = spawnSync(process.execPath, [...args, root], {
    encoding: "utf8",
    cwd: path.join(import.meta.dirname, ".."),
  });
  expect(result.stderr).toBe("");
  expect(fs.readdirSync(root)).toEqual([]);
});

test("in slices the loop turns, and an abort stops with nothing held open", async () => {
  const { handle, path: root } = scratch();
  fs.mkdirSync(path.join(root, "t/sub"), { recursive: true });
  for (let i = 0; i < 2000; i++) fs.writeFileSync(path.join(root, "t/sub", `${i}`), "");
  const before = openDescriptors();
  const controller = new AbortController();
  setImmediate(() => controller.abort(new Error("enough")));
  await expect(handle.removeTreeInSlices(name("t"), controller.signal)).rejects.toThrow("enough");
  expect(openDescriptors()).toBe(before);
  expect(fs.readdirSync(path.join(root, "t/sub")).length).toBeGreaterThan(0);
  let turns = 0;
  const turning = setInterval(() => turns++, 0);
  await handle.removeTreeInSlices(name("t"));
  clearInterval(turning);
  expect(turns).toBeGreaterThan(0);
  expect(handle.names()).toEqual([]);
});
