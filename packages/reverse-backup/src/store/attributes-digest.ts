import { createHash } from "node:crypto";
import { ACL_ATTRIBUTE } from "@dialhome/posix-fs";
import { type ListedXattr, listXattr } from "@dialhome/rsync-protocol";

/** What has extended attributes: an entry of a directory, or an open file. */
export interface AttributesSource {
  /** Names, latin1. */
  list(): string[];
  get(attribute: string): Buffer | undefined;
}

/** One attribute with its value. */
export interface Attribute {
  readonly name: string;
  readonly value: Buffer;
}

const LISTS: ReadonlySet<string> = new Set(Object.values(ACL_ATTRIBUTE));

/**
 * The attributes that a snapshot keeps of a file, sorted by name: access control lists and `user.*`, and with `all`, as root keeps
 * them, those of every other namespace but `system.*`.
 */
export function readAttributes(source: AttributesSource, all: boolean): Attribute[] {
  const attributes: Attribute[] = [];
  for (const name of source.list().toSorted()) {
    const isPlain = all ? !name.startsWith("system.") : name.startsWith("user.");
    if (!isPlain && !LISTS.has(name)) continue;
    const value = source.get(name);
    if (value) attributes.push({ name, value });
  }
  return attributes;
}

/** Names, lengths and values (of long ones their MD5) in one SHA-256; the attributes must be sorted by name. */
export function digestOfAttributes(attributes: readonly ListedXattr[]): Buffer {
  const hash = createHash("sha256");
  for (const { name, length, data } of attributes) {
    hash.update(Buffer.from(`${name}\0${length}\0`, "latin1")).update(data);
  }
  return hash.digest();
}

/** The same of attributes that were read. */
export function digestOfRead(attributes: readonly Attribute[]): Buffer {
  return digestOfAttributes(attributes.map(({ name, value }) => listXattr(name, value)));
}
