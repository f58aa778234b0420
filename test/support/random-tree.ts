import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  renameSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:net";
import { relative } from "node:path";
import { ACL_ATTRIBUTE, DirectoryHandle, encodePosixAcl } from "@dialhome/posix-fs";
import { runOk } from "./processes.ts";
import { type SeededRandom, seededRandom } from "./random.ts";

const isRoot = process.getuid?.() === 0;
const SLASH = Buffer.from("/");
const MODES = [0o644, 0o644, 0o640, 0o600, 0o755, 0o444, 0o4755, 0o2755, 0o666] as const;
const FOLDER_MODES = [0o755, 0o755, 0o750, 0o700, 0o2775, 0o1777] as const;
const OWNERS = [0, 1, 2, 1000, 12_345] as const;
/** Bytes that no name may hold are NUL and the slash. */
const PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789._";
const ODD = "\n\t\r\x01\x7f \\-#~*?[]'\"$`;%:,=!@^&()|<>{}+\x80\x8f\xa0\xc3\xe9\xfe\xff";

/** A path below a folder, both as bytes. */
export function joinBytes(folder: Buffer, name: Buffer): Buffer {
  return Buffer.concat([folder, SLASH, name]);
}

/** The way from a folder to a path. */
function relativeBytes(folder: Buffer, path: Buffer): Buffer {
  return Buffer.from(relative(folder.toString("latin1"), path.toString("latin1")), "latin1");
}

/** A name of random bytes: most are plain words, the others have what breaks programs. There is room for a suffix. */
export function randomName(random: SeededRandom): Buffer {
  const kind = random.below(10);
  const length = kind === 9 && random.below(6) === 0 ? 250 : 1 + random.below(14);
  const from = kind < 5 ? PLAIN : PLAIN + ODD + ODD;
  let name = "";
  while (name.length < length) name += from[random.below(from.length)];
  if (kind === 8) name = `-${name.slice(1)}`;
  if (kind === 7) name = random.bytes(length).toString("latin1").replaceAll(/[\0/]/g, "_");
  // "." and ".." are no names; the server's shell-like expansion of the arguments does not concern what is below them.
  return Buffer.from(/^\.{0,2}$/.test(name) ? `x${name}` : name, "latin1");
}

/** Content of a random size, compressible, incompressible or with holes to be found in it. */
export function randomContent(random: SeededRandom, large: boolean): Buffer {
  const size = large ? 60_000 + random.below(600_000) : random.below(random.pick([2, 300, 9_000]));
  switch (random.below(3)) {
    case 0:
      return Buffer.alloc(size, random.bytes(1 + random.below(500)));
    case 1: {
      const content = random.bytes(size);
      return content.fill(0, Math.floor(size / 4), Math.floor(size / 2));
    }
    default:
      return random.bytes(size);
  }
}

/** A time before tests run, with nanoseconds; seconds as `lutimesSync` takes them. */
export function randomTime(random: SeededRandom): number {
  return 1_300_000_000 + random.below(300_000_000) + random.below(1000) / 1000;
}

/** Fifos with names of their own in the folder, to be renamed. */
async function makeFifos(root: Buffer, count: number): Promise<Buffer[]> {
  const names = Array.from({ length: count }, (_, i) => `${root.toString()}/new-fifo-${i}`);
  await runOk("mkfifo", names);
  return names.map((name) => Buffer.from(name));
}

async function makeSocket(root: Buffer): Promise<Buffer> {
  const path = `${root.toString()}/s`;
  const server = createServer().listen(`${path}.new`);
  await once(server, "listening");
  renameSync(`${path}.new`, path); // closing would remove it under its first name
  server.close();
  await once(server, "close");
  return Buffer.from(path);
}

async function makeDevices(root: Buffer): Promise<Buffer[]> {
  const [character, block] = [`${root.toString()}/new-c`, `${root.toString()}/new-b`];
  await runOk("mknod", [character, "c", "1", "3"]);
  await runOk("mknod", [block, "b", "259", "65537"]);
  return [Buffer.from(character), Buffer.from(block)];
}

/** A few attributes and access control lists. */
function decorate(folder: Buffer, name: Buffer, random: SeededRandom): void {
  using handle = DirectoryHandle.open(folder);
  const length = random.pick([0, 5, 32, 33, 900]);
  handle.setXattr(name, `user.a${random.below(3)}`, random.bytes(length));
  if (random.below(2) === 0) return;
  const user = { kind: "user", id: 1 + random.below(4), permissions: 6 } as const;
  const list = encodePosixAcl({ owner: 6, group: 4, mask: 6, other: 4, named: [user] });
  handle.setXattr(name, ACL_ATTRIBUTE.access, list);
}

export interface RandomTreeOptions {
  readonly seed: string;
  readonly entries: number;
  /** Symbolic links lead anywhere, also round in circles; or to files and folders of the tree, mostly. @defaultValue "any" */
  readonly links?: "any" | "leading";
}

/** Rules for `-F`, in some folders. */
const RULES = ["- *a\n+ *b*\n- b*\n", "P *x*\n- /[c-e]*\n", "-s *0*\n:C\n"] as const;

/**
 * Fills the empty folder `root` with a tree of random names, depths, types, sizes, modes, times, owners, links, attributes. The same
 * seed gives the same tree.
 */
export async function makeRandomTree(
  root: string,
  { seed, entries, links = "any" }: RandomTreeOptions,
): Promise<void> {
  const random = seededRandom(seed);
  const top = Buffer.from(root);
  const folders: Buffer[] = [top];
  const files: Buffer[] = [];
  const taken = new Set<string>();
  /** Folders with files alone, which links may lead to without ever leading back. */
  const plain: Buffer[] = [];
  const times: [Buffer, number][] = [];
  /** A free path in a folder that was made before; in the newest ones rather often, so that some paths get deep. */
  const free = (): { folder: Buffer; name: Buffer; path: Buffer } => {
    for (;;) {
      const late = random.below(3) === 0 ? folders.slice(-3) : folders;
      const folder = random.pick(late);
      const name = randomName(random);
      const path = joinBytes(folder, name);
      if (path.length > 3_000 || taken.has(path.toString("latin1"))) continue;
      taken.add(path.toString("latin1"));
      return { folder, name, path };
    }
  };
  const finish = (path: Buffer, mode?: number): void => {
    if (isRoot && random.below(4) === 0) lchownSync(path, random.pick(OWNERS), random.pick(OWNERS));
    if (mode !== undefined) chmodSync(path, mode);
    times.push([path, randomTime(random)]);
  };
  const nodes = [...(await makeFifos(top, 3)), await makeSocket(top)];
  if (isRoot) nodes.push(...(await makeDevices(top)));
  for (const node of nodes) {
    const { path } = free();
    renameSync(node, path);
    finish(path, random.pick(MODES) & 0o777);
  }
  for (let n = nodes.length; n < entries; n++) {
    const { folder, name, path } = free();
    const kind = random.below(20);
    if (kind < 3) {
      mkdirSync(path);
      finish(path, random.pick(FOLDER_MODES));
      if (links === "leading" && kind === 0) {
        plain.push(path);
        const inside = joinBytes(path, randomName(random));
        writeFileSync(inside, randomContent(random, false));
        finish(inside, random.pick(MODES));
        continue;
      }
      folders.push(path);
      if (random.below(8) === 0) {
        const rules = joinBytes(path, Buffer.from(".rsync-filter"));
        taken.add(rules.toString("latin1"));
        writeFileSync(rules, random.pick(RULES));
        finish(rules, 0o644);
      }
    } else if (kind === 3) {
      const leading = links === "leading" ? [...plain.slice(-3), ...files.slice(-3)] : [];
      if (leading.length > 0 && random.below(5) > 0) {
        symlinkSync(relativeBytes(folder, random.pick(leading)), path);
      } else {
        const circles = links === "any" ? [".", ".."] : [];
        const target = random.pick([
          ...circles,
          "../gone",
          "/nowhere",
          "x".repeat(300),
          "\xe9\n\\",
        ]);
        const shown = random.below(2) === 0 ? Buffer.from(target, "latin1") : randomName(random);
        symlinkSync(shown, path);
      }
      finish(path);
    } else if (kind === 4 && files.length > 0) {
      linkSync(random.pick(files), path);
    } else if (kind === 5 && n % 3 === 0) {
      const fd = openSync(path, "w");
      ftruncateSync(fd, 200_000 + random.below(300_000));
      writeSync(fd, "in the middle", 100_000);
      closeSync(fd);
      finish(path, 0o600);
    } else {
      writeFileSync(path, randomContent(random, random.below(25) === 0));
      files.push(path);
      finish(path, random.pick(MODES));
    }
    if ((kind < 3 || kind > 5) && random.below(10) === 0) decorate(folder, name, random);
  }
  // What lies deeper first: it changes the times above.
  for (const [path, time] of times.toReversed()) lutimesSync(path, time, time);
  lutimesSync(top, 1_400_000_000, 1_400_000_000);
}
