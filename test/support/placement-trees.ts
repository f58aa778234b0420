import {
  chmodSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

/** Times of what is old and of what is newer, in seconds. */
export const OLD = 1_500_000_000;
export const NEW = 1_600_000_000;

/** Makes a file with the directories on the way to it. */
export function put(root: string, name: string, text: string, time = OLD, mode = 0o644): void {
  const path = join(root, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, mode);
  utimesSync(path, time, time);
}

function link(root: string, target: string, name: string, time = OLD): void {
  symlinkSync(target, join(root, name));
  lutimesSync(join(root, name), time, time);
}

function settle(root: string, names: readonly string[]): void {
  for (const name of names) utimesSync(join(root, name), OLD, OLD);
}

/** Text in which each line is different, so that blocks match where they should and nowhere else. */
export function lines(count: number, from = 0): string {
  return Array.from({ length: count }, (_, i) => `line ${from + i} ${(i * 7919) % 10_007}\n`).join(
    "",
  );
}

/** What the sender has. */
export function makePlacementSource(root: string): void {
  put(root, "same", "the same");
  put(root, "touched", "same content, new time", NEW);
  put(root, "grown", `${lines(3_000)}and more`, NEW);
  put(root, "shrunk", lines(2_000), NEW);
  put(root, "shifted", `in front\n${lines(3_000)}`, NEW);
  put(root, "mode", "mode", OLD, 0o600);
  put(root, "only-there", "fresh");
  put(root, "empty", "", NEW);
  put(root, "was-dir", "now a file", NEW);
  put(root, "was-link", "now a file as well", NEW);
  put(root, "dir/inner", "inner");
  put(root, "dir/changed", "inner changed", NEW);
  put(root, "dir/sub/deep", "deep", NEW);
  put(root, "new-dir/a", "a");
  put(root, "new-dir/b/c", lines(200));
  mkdirSync(join(root, "empty-dir/below"), { recursive: true });
  put(root, "was-file/child", "child");
  link(root, "same", "link");
  link(root, "new target", "relinked", NEW);
  link(root, "elsewhere", "dir-to-link");
  link(root, "dir", "link-to-dir");
  link(root, "../outside", "link-out");
  put(root, "hard-1", "linked", NEW);
  linkSync(join(root, "hard-1"), join(root, "dir/hard-2"));
  settle(root, [
    "dir/sub",
    "dir",
    "new-dir/b",
    "new-dir",
    "empty-dir/below",
    "empty-dir",
    "was-file",
  ]);
  settle(root, ["."]);
}

/** What is here already. */
export function makePlacementDestination(root: string): void {
  put(root, "same", "the same");
  put(root, "touched", "same content, new time");
  put(root, "grown", lines(3_000));
  put(root, "shrunk", lines(3_000));
  put(root, "shifted", lines(3_000));
  put(root, "mode", "mode");
  put(root, "empty", "not empty here");
  put(root, "was-dir/content", "in the way");
  link(root, "same", "was-link");
  put(root, "dir/inner", "inner");
  put(root, "dir/changed", "inner");
  put(root, "dir/extra", "to be deleted");
  put(root, "dir/sub/extra.o", "to be deleted");
  put(root, "extra-dir/deep/er", "to be deleted");
  put(root, "extra-dir/kept.o", "to be deleted");
  put(root, "extra~", "an old backup");
  put(root, "was-file", "a file in the way of a directory");
  link(root, "same", "link");
  link(root, "old target", "relinked");
  put(root, "dir-to-link/below", "x");
  settle(root, ["dir/sub", "dir", "was-dir", "extra-dir/deep", "extra-dir", "dir-to-link", "."]);
}
