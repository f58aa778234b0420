import {
  chmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { ACL_ATTRIBUTE, DirectoryHandle, encodePosixAcl, type PosixAcl } from "@dialhome/posix-fs";
import { runOk } from "./processes.ts";
import { seededRandom } from "./random.ts";

const T0 = 1_600_000_000;
/** What a running test makes has a time between these two. */
const FRESH_FROM_MS = Date.UTC(2025, 0);
const FRESH_UNTIL_MS = Date.UTC(2045, 0);
const isRoot = process.getuid?.() === 0;
const random = seededRandom("metadata");
const LONG = random.bytes(3_000);
const OTHER_LONG = random.bytes(3_000);
const LONGEST = random.bytes(900);

/** Sets an extended attribute of an entry, of a symbolic link itself too. */
export function setAttribute(root: string, name: string, attribute: string, value: Buffer): void {
  using folder = DirectoryHandle.open(root);
  folder.setXattr(Buffer.from(name, "latin1"), attribute, value);
}

function removeAttribute(root: string, name: string, attribute: string): void {
  using folder = DirectoryHandle.open(root);
  folder.removeXattr(Buffer.from(name, "latin1"), attribute);
}

function acl(group: number, mask: number, ...named: PosixAcl["named"]): Buffer {
  return encodePosixAcl({ owner: 7, group, mask, other: 4, named });
}

const user = (id: number, permissions: number) => ({ kind: "user", id, permissions }) as const;
const group = (id: number, permissions: number) => ({ kind: "group", id, permissions }) as const;

/**
 * A tree in which every kind of file has extended attributes (short, empty, long, shared, with odd names) and access control
 * lists (access and default, with names known and unknown), as far as the system lets this user set them. `root` must be empty.
 */
export async function makeMetadataTree(root: string): Promise<void> {
  const attribute = (name: string, attributeName: string, value: string | Buffer): void => {
    setAttribute(root, name, attributeName, Buffer.from(value));
  };
  for (const name of [
    "plain",
    "short",
    "long",
    "shared-1",
    "shared-2",
    "list",
    "mask",
    "minimal",
  ]) {
    writeFileSync(join(root, name), `content of ${name}`);
  }
  mkdirSync(join(root, "folder/inner"), { recursive: true });
  mkdirSync(join(root, "default"));
  mkdirSync(join(root, "below"));
  writeFileSync(join(root, "default/file"), "inherits nothing");
  writeFileSync(join(root, "below/shared-3"), "in a later list");
  writeFileSync(join(root, "read-only"), "read-only", { mode: 0o444 });
  attribute("short", "user.empty", "");
  attribute("short", "user.text", "a value of exactly 32 bytes, yes");
  attribute("short", "user.odd na\xefme", Buffer.from([0, 255, 10, 0]));
  attribute("long", "user.33", "x".repeat(33));
  attribute("long", "user.a", LONG);
  attribute("long", "user.short", "s");
  attribute("long", "user.z", LONGEST);
  for (const name of ["shared-1", "shared-2"]) attribute(name, "user.shared", LONG);
  setAttribute(join(root, "below"), "shared-3", "user.shared", LONG);
  setAttribute(root, "folder", "user.of-folder", OTHER_LONG);
  setAttribute(join(root, "folder"), "inner", "user.shared", LONG);
  chmodSync(join(root, "read-only"), 0o644);
  attribute("read-only", "user.on-read-only", LONG);
  chmodSync(join(root, "read-only"), 0o444);
  linkSync(join(root, "long"), join(root, "long-too"));
  attribute("list", ACL_ATTRIBUTE.access, acl(5, 7, user(1, 6), user(54_321, 4), group(1, 5)));
  attribute("mask", ACL_ATTRIBUTE.access, acl(7, 4, group(54_321, 7)));
  attribute("minimal", ACL_ATTRIBUTE.access, acl(5, 5));
  attribute("default", ACL_ATTRIBUTE.default, acl(5, 7, user(2, 7), group(2, 1)));
  attribute("default", ACL_ATTRIBUTE.access, acl(0, 7, user(2, 7)));
  chmodSync(join(root, "default/file"), 0o640);
  symlinkSync("plain", join(root, "link"));
  await runOk("mkfifo", [join(root, "fifo")]);
  if (isRoot) {
    attribute("plain", "trusted.root", "only root sees it");
    attribute("link", "trusted.of-link", LONGEST);
    attribute("fifo", "trusted.of-fifo", "f");
    attribute("fifo", ACL_ATTRIBUTE.access, acl(4, 6, user(1, 6)));
    await runOk("mknod", [join(root, "device"), "c", "1", "3"]);
    await runOk("chown", ["--no-dereference", "12345:54321", join(root, "short")]);
    await runOk("chown", ["--no-dereference", "1:1", join(root, "link")]);
    await runOk("chmod", ["6755", join(root, "list")]);
  }
  settle(root);
}

/** Changes of attributes alone, and of attributes with content. */
export function changeMetadata(root: string): void {
  setAttribute(root, "plain", "user.new", Buffer.from("was not there"));
  removeAttribute(root, "short", "user.text");
  setAttribute(root, "short", "user.empty", Buffer.from("not empty"));
  setAttribute(root, "long", "user.a", OTHER_LONG);
  setAttribute(root, "folder", "user.of-folder", LONG);
  setAttribute(root, "folder", "user.more", Buffer.from("more"));
  removeAttribute(root, "shared-2", "user.shared");
  writeFileSync(join(root, "shared-1"), "new content, the same attribute");
  writeFileSync(join(root, "below/shared-3"), "new content, another attribute");
  setAttribute(join(root, "below"), "shared-3", "user.shared", OTHER_LONG);
  setAttribute(root, "list", ACL_ATTRIBUTE.access, acl(5, 7, user(1, 4)));
  setAttribute(root, "plain", ACL_ATTRIBUTE.access, acl(4, 6, user(3, 6)));
  setAttribute(root, "mask", ACL_ATTRIBUTE.access, acl(4, 4));
  removeAttribute(root, "default", ACL_ATTRIBUTE.default);
  setAttribute(root, "folder", ACL_ATTRIBUTE.default, acl(5, 5, user(4, 5)));
  if (isRoot) setAttribute(root, "link", "trusted.of-link", LONG);
  settle(root);
}

/** Gives what is new a time of its own: what was changed gets the same one as before. */
function settle(folder: string | Buffer): void {
  for (const entry of readdirSync(folder, { withFileTypes: true, encoding: "buffer" })) {
    const path = Buffer.concat([Buffer.from(folder), Buffer.from("/"), entry.name]);
    if (entry.isDirectory()) settle(path);
    if (isFresh(path)) lutimesSync(path, T0, T0 + entry.name.length);
  }
  if (isFresh(folder)) lutimesSync(folder, T0, T0);
}

function isFresh(path: string | Buffer): boolean {
  const { mtimeMs } = lstatSync(path);
  return mtimeMs > FRESH_FROM_MS && mtimeMs < FRESH_UNTIL_MS;
}
