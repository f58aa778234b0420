import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Attributes } from "../src/attributes.ts";
import { Comparison } from "../src/comparison.ts";
import { makeAttributes } from "../src/make-attributes.ts";
import { Tally } from "../src/tally.ts";
import { fileEntry } from "./support/entries.ts";

const NAME = Buffer.from("file");
/** Nobody here. */
const SOMEBODY = { uid: 4_000_001, gid: 4_000_002 };

let root = "";
let directory: DirectoryHandle;
let tally: Tally;

beforeEach(() => {
  root = fs.mkdtempSync(join(tmpdir(), "dialhome-attributes-"));
  fs.writeFileSync(join(root, "file"), "", { mode: 0o600 });
  directory = DirectoryHandle.open(root);
  tally = new Tally(undefined, undefined);
});

afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  directory.close();
  fs.rmSync(root, { recursive: true });
});

/** Of a pull that keeps owners and permissions. */
function attributes(): Attributes {
  const options = { owner: true, group: true, perms: true, times: true, numericIds: true };
  const names = { users: new Map(), groups: new Map() };
  return makeAttributes(options, "root", names, undefined, tally, new Comparison(options));
}

/** No owner can be given, as in a container without these ids. */
function refuseOwners(): void {
  const refuse = (): never => {
    throw Object.assign(new Error("EINVAL: invalid argument, chown"), { code: "EINVAL" });
  };
  vi.spyOn(DirectoryHandle.prototype, "chown").mockImplementation(refuse);
  vi.spyOn(fs, "fchownSync").mockImplementation(refuse);
  syncBuiltinESMExports();
}

describe("where the owner cannot be given, set-id bits would speak for the wrong one:", () => {
  const mode = (path: string): number => fs.statSync(path).mode & 0o7777;

  it("a new file does not get them", () => {
    refuseOwners();
    const fd = directory.openFile(NAME, fs.constants.O_WRONLY);
    const entry = fileEntry("file", { mode: 0o106755, ...SOMEBODY });
    attributes().applyToFile(directory, fd, entry, undefined, undefined);
    fs.closeSync(fd);
    expect(mode(join(root, "file"))).toBe(0o755);
    expect(tally.problems).toHaveLength(1);
  });

  it("a file that was there does not get them", () => {
    refuseOwners();
    const stat = directory.lstat(NAME);
    if (!stat) throw new Error("it is gone");
    const entry = fileEntry("file", { mode: 0o104755, ...SOMEBODY });
    attributes().applyByName({ directory, name: NAME }, entry, stat);
    expect(mode(join(root, "file"))).toBe(0o755);
    expect(tally.problems).toHaveLength(1);
  });

  it("a directory does not get them", () => {
    refuseOwners();
    const entry = fileEntry("d", { mode: 0o042775, ...SOMEBODY });
    attributes().applyToDirectory(directory, entry, undefined);
    expect(mode(root)).toBe(0o775);
    expect(tally.problems).toHaveLength(1);
  });

  it("who has the owner already gets them", () => {
    const { uid, gid } = fs.statSync(join(root, "file"));
    const stat = directory.lstat(NAME);
    if (!stat) throw new Error("it is gone");
    attributes().applyByName(
      { directory, name: NAME },
      fileEntry("file", { mode: 0o104755, uid, gid }),
      stat,
    );
    expect(mode(join(root, "file"))).toBe(0o4755);
    expect(tally.problems).toEqual([]);
  });
});

describe("the time of a directory that was there", () => {
  const times = { mtimeSec: 1_700_000_000, mtimeNsec: 5 };
  const entry = fileEntry("d", { mode: 0o40755, mtime: times.mtimeSec, mtimeNsec: 5 });

  it("comes back to the nanosecond after work in it", () => {
    directory.setTimesOfFd(directory.fd, { ...times, mtimeNsec: 7 });
    const before = directory.stat();
    directory.setTimesOfFd(directory.fd, { ...times, mtimeNsec: 9 });
    attributes().applyToDirectory(directory, entry, before);
    expect(directory.stat()).toMatchObject(times);
  });

  it("stays as it is where nothing but less than a second differs, as in rsync", () => {
    directory.setTimesOfFd(directory.fd, { ...times, mtimeNsec: 7 });
    attributes().applyToDirectory(directory, entry, directory.stat());
    expect(directory.stat()).toMatchObject({ ...times, mtimeNsec: 7 });
  });
});
