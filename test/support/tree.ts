import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { runOk } from "./processes.ts";
import { seededRandom } from "./random.ts";

/** All times of the trees derive from this second (13 September 2020), long before any test runs. */
const T0 = 1_600_000_000;

/** What was made by a running test has a time between these two; the times that the tree is about do not. */
const NOW_FROM_MS = Date.UTC(2025, 0);
const NOW_UNTIL_MS = Date.UTC(2045, 0);

/** A path as bytes: names in a tree need not be UTF-8. */
const below = (root: string, name: string): Buffer =>
  Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name, "latin1")]);

/** Sets modification times with nanoseconds, of links themselves too; the numbers may be negative. */
async function setTime(path: string, seconds: string): Promise<void> {
  await runOk("touch", ["--no-dereference", `--date=@${seconds}`, "--", path]);
}

/** Leaves a socket in the file system, with nobody behind it. */
async function makeSocket(path: string): Promise<void> {
  const server = createServer().listen(`${path}.new`);
  await once(server, "listening");
  renameSync(`${path}.new`, path); // closing would remove it under its first name
  server.close();
  await once(server, "close");
}

/**
 * A small tree with everything that has broken a backup before: names of any bytes, with newlines, spaces, a leading
 * dash, 255 bytes long; links that dangle, hard links across folders, fifo and socket (and devices, as root); modes
 * with setuid, setgid and sticky bit, without any permission; times with nanoseconds, before 1970, after 2038;
 * empty folders, empty and sparse files. `root` must exist and be empty.
 */
export async function makeNastyTree(root: string): Promise<void> {
  const file = (name: string, content: string | Buffer = name, mode = 0o644): void => {
    const path = below(root, name);
    writeFileSync(path, content);
    chmodSync(path, mode);
    utimesSync(path, T0, T0);
  };
  const folder = (name: string, mode = 0o755): void => {
    mkdirSync(below(root, name));
    chmodSync(below(root, name), mode);
  };

  for (const name of [
    "names",
    "links",
    "links/deep",
    "special",
    "modes",
    "times",
    "empty",
    "sizes",
  ]) {
    folder(name);
  }
  folder("empty/nested");
  folder("empty/nested/deeper", 0o700);

  file("names/caf\xe9"); // latin1, not UTF-8
  file("names/na\xc3\xafve"); // UTF-8
  file("names/two\nlines");
  file("names/tab\tand  spaces ");
  file("names/-rf");
  file("names/--delete");
  file("names/*?[a]\\");
  file("names/$(touch x) `y` ;'\"");
  file("names/.hidden");
  file("names/\x01\x7f\xff");
  file("names/#1#~.%41");
  file(`names/${"n".repeat(255)}`);
  folder("names/folder\nwith newline");
  file("names/folder\nwith newline/inside");
  folder("names/a");
  file("names/a/file"); // sorts between "a" and "a.b": folders compare as "a/"
  file("names/a.b");

  symlinkSync("../names/.hidden", below(root, "links/relative"));
  symlinkSync("/nowhere/at/all", below(root, "links/dangling"));
  symlinkSync("links", below(root, "to-folder"));
  symlinkSync(
    below(root, "names/caf\xe9").subarray(root.length + 1),
    below(root, "links/by\xe9te"),
  );
  symlinkSync("loop", below(root, "links/loop"));
  symlinkSync("x".repeat(1000), below(root, "links/long"));

  file("links/first", "three names in three folders\n");
  linkSync(below(root, "links/first"), below(root, "links/deep/second"));
  linkSync(below(root, "links/first"), below(root, "names/third"));
  file("links/pair", "");
  linkSync(below(root, "links/pair"), below(root, "links/deep/pair"));

  const special = join(root, "special");
  await runOk("mkfifo", ["--mode=640", join(special, "fifo")]);
  await makeSocket(join(special, "socket"));
  if (process.getuid?.() === 0) {
    await runOk("mknod", ["--mode=660", join(special, "null"), "c", "1", "3"]);
    await runOk("mknod", ["--mode=600", join(special, "disk"), "b", "259", "65537"]);
    await runOk("chown", ["12345:54321", join(special, "fifo")]);
    await runOk("chown", ["--no-dereference", "1:1", join(root, "links/dangling")]);
  }

  file("modes/setuid", "s", 0o4755);
  file("modes/setgid", "s", 0o2755);
  if (process.getuid?.() === 0) {
    // Only root can read these, and so compare them.
    file("modes/nothing", "closed", 0o000);
    file("modes/write-only", "w", 0o200);
  }
  folder("modes/sticky", 0o1777);
  folder("modes/setgid-folder", 0o2775);
  folder("modes/read-only", 0o755);
  file("modes/read-only/inside", "still arrives");
  chmodSync(join(root, "modes/read-only"), 0o555);

  const times = {
    ns: "1600000000.123456789",
    one: "1600000000.000000001",
    last: "1599999999.999999999",
  };
  for (const [name, seconds] of Object.entries({
    ...times,
    epoch: "0",
    before: "-315619200.25",
    "after-2038": "2500000000.5",
    "beyond-32-bits": "4500000000",
  })) {
    file(`times/${name}`);
    await setTime(join(root, "times", name), seconds);
  }
  symlinkSync("ns", join(root, "times/link"));
  await setTime(join(root, "times/link"), "1300000000.987654321");

  const random = seededRandom("sizes");
  for (const size of [0, 1, 699, 700, 701, 32_768, 32_769, 700_001]) {
    file(`sizes/${size}`, random.bytes(size));
  }
  const sparse = openSync(join(root, "sizes/sparse"), "w", 0o600);
  ftruncateSync(sparse, 5_000_000);
  writeSync(sparse, "in the middle", 2_500_000);
  closeSync(sparse);
  utimesSync(join(root, "sizes/sparse"), T0, T0);

  settleTimes(Buffer.from(root));
  await setTime(join(root, "times"), "1500000000.111111111");
  utimesSync(root, T0, T0);
}

/**
 * Gives the past to what was made just now. (The real rsync leaves a time alone that differs only within the second,
 * so a fresh folder's would sometimes be copied and sometimes not.)
 */
function settleTimes(folder: Buffer): void {
  for (const entry of readdirSync(folder, { withFileTypes: true, encoding: "buffer" })) {
    const path = Buffer.concat([folder, Buffer.from("/"), entry.name]);
    if (entry.isDirectory()) settleTimes(path);
    const { mtimeMs } = lstatSync(path);
    if (mtimeMs > NOW_FROM_MS && mtimeMs < NOW_UNTIL_MS) lutimesSync(path, T0, T0);
  }
}

export interface LargeTreeOptions {
  /** @defaultValue 2_400 */
  readonly files?: number;
  /** @defaultValue 60 */
  readonly folders?: number;
  /** Files of this many bytes on average, at most sixteen times that. @defaultValue 4_096 */
  readonly meanBytes?: number;
  /** @defaultValue "large" */
  readonly seed?: string;
}

/** Paths of the files of {@link makeLargeTree} below its root, in the order of creation. */
export type LargeTree = readonly string[];

/**
 * A tree like a home directory's: many small files in two levels of folders, some executable, a few symbolic and
 * hard links, and four larger files (`big-0` to `big-3`, 300 KB to 1.2 MB) in which a delta pays. `root` must exist.
 */
export function makeLargeTree(root: string, options: LargeTreeOptions = {}): LargeTree {
  const { files = 2_400, folders = 60, meanBytes = 4_096, seed = "large" } = options;
  const random = seededRandom(seed);
  const paths: string[] = [];
  const made: string[] = [];
  const add = (path: string, content: Buffer, mode: number, time: number): void => {
    writeFileSync(join(root, path), content);
    chmodSync(join(root, path), mode);
    utimesSync(join(root, path), time, time);
    paths.push(path);
  };
  for (let f = 0; f < folders; f++) {
    const folder = join(`dir-${Math.floor(f / 10)}`, `sub-${f % 10}`);
    mkdirSync(join(root, folder), { recursive: true, mode: 0o750 });
    made.push(folder);
    for (let n = 0; n < files / folders; n++) {
      const size = Math.min(
        16 * meanBytes,
        Math.floor(-meanBytes * Math.log((random.below(1e6) + 1) / 1e6)),
      );
      add(
        join(folder, `file-${n}`),
        random.bytes(size),
        n % 10 === 0 ? 0o755 : 0o640,
        T0 + f * 100 + n,
      );
    }
    symlinkSync(`file-${f % 10}`, join(root, folder, "link"));
    lutimesSync(join(root, folder, "link"), T0, T0);
    if (f % 5 === 0)
      linkSync(join(root, folder, "file-0"), join(root, dirname(folder), `hard-${f}`));
  }
  for (let n = 0; n < 4; n++) add(`big-${n}`, random.bytes(300_000 * (n + 1)), 0o644, T0);
  for (const folder of made) utimesSync(join(root, folder), T0, T0);
  for (const folder of new Set(made.map((path) => dirname(path))))
    utimesSync(join(root, folder), T0, T0);
  utimesSync(root, T0, T0);
  return paths;
}
