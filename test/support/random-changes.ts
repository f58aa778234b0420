import {
  appendFileSync,
  chmodSync,
  closeSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { type SeededRandom, seededRandom } from "./random.ts";
import { joinBytes, randomContent, randomName, randomTime } from "./random-tree.ts";

/**
 * So many of the changes leave a file what it is. Those of several names get no other ones: where a group gains or loses names, which
 * of them is sent, and whether one has to be, is up to what a client knows when it decides.
 */
const IN_PLACE = 7;
const isRoot = process.getuid?.() === 0;
/** What a running test makes has a time between these two. */
const FRESH_FROM_MS = Date.UTC(2025, 0);
const FRESH_UNTIL_MS = Date.UTC(2045, 0);

interface Found {
  readonly path: Buffer;
  readonly folder: Buffer;
  readonly stats: Stats;
}

/** Everything below a folder, in the order of the bytes of the names. */
function list(folder: Buffer, into: Found[] = []): Found[] {
  for (const name of readdirSync(folder, "buffer").toSorted((a, b) => a.compare(b))) {
    const path = joinBytes(folder, name);
    const stats = lstatSync(path);
    into.push({ path, folder, stats });
    if (stats.isDirectory()) list(path, into);
  }
  return into;
}

/** The names below a folder that are one file with others, as rsync prints them in the C locale. */
export function printedNamesOfLinks(root: string): string[] {
  const octal = (character: string): string =>
    `\\#${character.charCodeAt(0).toString(8).padStart(3, "0")}`;
  return list(Buffer.from(root))
    .filter(({ stats }) => stats.isFile() && stats.nlink > 1)
    .map(({ path }) =>
      path
        .subarray(Buffer.byteLength(root) + 1)
        .toString("latin1")
        .replaceAll(/\\(?=#\d{3})|[^\t -\x7f]/g, octal),
    );
}

/**
 * About half of the paths below a folder, each with a NUL behind it: for `--files-from`. Of those with wildcards or backslashes, and of
 * very long ones, the real client refuses some that it has asked for.
 */
export function somePaths(root: string, seed: string): Buffer {
  const random = seededRandom(seed);
  const nul = Buffer.from([0]);
  const paths = list(Buffer.from(root)).map(({ path }) =>
    path.subarray(Buffer.byteLength(root) + 1),
  );
  const isPlain = (path: Buffer): boolean =>
    path.length < 200 && !/[*?[\\]/.test(path.toString("latin1"));
  return Buffer.concat(
    paths.flatMap((path) => (random.below(2) === 0 && isPlain(path) ? [path, nul] : [])),
  );
}

/** Moves some of the folders right below `root` away, and has links lead to where they are now. */
export function linkSomeFolders(root: string, seed: string): void {
  const random = seededRandom(seed);
  const top = Buffer.from(root);
  for (const { path, folder, stats } of list(top)) {
    if (!folder.equals(top) || !stats.isDirectory() || random.below(4) > 0) continue;
    const name = path.subarray(folder.length + 1);
    const moved = Buffer.concat([Buffer.from("real-"), name]);
    if (name.length > 200 || statsOf(joinBytes(top, moved))) continue;
    renameSync(path, joinBytes(top, moved));
    symlinkSync(moved, path);
  }
  settle(top, 1_600_000_000);
}

/** Gives what is new the same time in every run. */
function settle(folder: Buffer, time: number): void {
  for (const { path, stats } of list(folder).toReversed()) {
    if (isFresh(stats)) lutimesSync(path, time, time);
  }
  if (isFresh(lstatSync(folder))) lutimesSync(folder, time, time);
}

function isFresh({ mtimeMs }: Stats): boolean {
  return mtimeMs > FRESH_FROM_MS && mtimeMs < FRESH_UNTIL_MS;
}

/** Overwrites some bytes; the size stays, unless the file is smaller. */
function edit(path: Buffer, size: number, random: SeededRandom): void {
  const fd = openSync(path, "r+");
  writeSync(fd, random.bytes(1 + random.below(200)), 0, undefined, random.below(size + 1));
  closeSync(fd);
}

function changeFile({ path, stats }: Found, random: SeededRandom): void {
  switch (random.below(stats.nlink > 1 ? IN_PLACE : 12)) {
    case 0:
      return appendFileSync(path, random.bytes(1 + random.below(3_000)));
    case 1:
      return writeFileSync(path, Buffer.concat([random.bytes(100), readFileSync(path)]));
    case 2:
      return edit(path, stats.size, random);
    case 3:
      // Only a checksum finds this one.
      edit(path, Math.max(0, stats.size - 200), random);
      return lutimesSync(path, stats.mtime, stats.mtime);
    case 4:
      return truncateSync(path, random.below(stats.size + 1));
    case 5: {
      const time = randomTime(random);
      return lutimesSync(path, time, time);
    }
    case 6:
      return chmodSync(path, random.pick([0o644, 0o600, 0o755, 0o4711]));
    case 7:
      rmSync(path);
      mkdirSync(path);
      return writeFileSync(joinBytes(path, randomName(random)), "was a file");
    case 8:
      rmSync(path);
      return symlinkSync(randomName(random), path);
    case 9:
      return rmSync(path);
    case 10:
      return writeFileSync(path, randomContent(random, false));
    default:
      // The same content under the same name, and another file.
      return makeAnew(path);
  }
}

function makeAnew(path: Buffer): void {
  const content = readFileSync(path);
  rmSync(path);
  writeFileSync(path, content);
}

function changeOther({ path, folder, stats }: Found, random: SeededRandom): void {
  switch (random.below(5)) {
    case 0:
      return rmSync(path, { recursive: true });
    case 1:
      rmSync(path, { recursive: true });
      return writeFileSync(path, randomContent(random, false));
    case 2:
      return stats.isSymbolicLink() ? undefined : chmodSync(path, random.pick([0o755, 0o700]));
    case 3:
      rmSync(path, { recursive: true });
      return mkdirSync(joinBytes(folder, path.subarray(folder.length + 1)));
    default:
      return isRoot ? lchownSync(path, 1 + random.below(5), random.below(5)) : undefined;
  }
}

/**
 * Changes about one in ten of what is below `root`, in all the ways in which files change; the same seed changes equal trees equally.
 */
export function changeRandomly(root: string, seed: string): void {
  const random = seededRandom(seed);
  const top = Buffer.from(root);
  const all = list(top);
  if (all.length === 0) return;
  const count = Math.ceil(all.length / 10);
  for (let n = 0; n < count; n++) {
    const found = random.pick(all);
    const now = statsOf(found.path);
    const folder = statsOf(found.folder);
    if (now === undefined || folder?.isDirectory() !== true) continue;
    const current = { ...found, stats: now };
    const target = joinBytes(found.folder, randomName(random));
    const isFree = statsOf(target) === undefined;
    const fate = isFree && !holdsLinks(current) ? random.below(6) : 2;
    if (fate === 0) renameSync(found.path, target);
    else if (fate === 1) writeFileSync(target, randomContent(random, false));
    else if (now.isFile()) changeFile(current, random);
    else if (!now.isDirectory() || (random.below(3) === 0 && !holdsLinks(current)))
      changeOther(current, random);
  }
  settle(top, 1_600_000_000 + random.below(1_000_000));
}

/** Whether it is one of several names of a file, or a folder with such ones. */
function holdsLinks({ path, stats }: Found): boolean {
  if (!stats.isDirectory()) return stats.nlink > 1;
  return list(path).some((inside) => !inside.stats.isDirectory() && inside.stats.nlink > 1);
}

/** What is at a path now; nothing also where a folder on the way became something else. */
function statsOf(path: Buffer): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}
