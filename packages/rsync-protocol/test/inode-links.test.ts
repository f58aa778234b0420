import { describe, expect, it } from "vitest";
import { ByteReader, ByteWriter, XMIT } from "../src/index.ts";
import { ContentHierarchy, InodeLinksDecoder, InodeLinksEncoder } from "../src/inode-links.ts";

const FILE = { mode: 0o100644 };
const LINK = { mode: 0o120777 };

describe("hard links below protocol 30", () => {
  it("are as the real rsync tells them, whatever the numbers are, and may be larger than a number holds", () => {
    const reader = new ByteReader();
    // Device and inode; the same device, another inode; the first ones once more, device named anew.
    const [device, inode] = ["ffffffff0100000000000080", "ffffffffffffffffffffffff"];
    reader.push(Buffer.from(`${device}${inode}07000000${device}${inode}`, "hex"));
    const links = new InodeLinksDecoder(29);
    const groups = [0, XMIT.SAME_DEV, 0].map((flags, index) => {
      const read = links.read(reader, XMIT.HLINKED | flags, FILE);
      return read && links.commit(read, index);
    });
    expect(groups).toEqual([0, 1, 0]);
    expect(reader.available).toBe(0);
  });

  it("are told of linked entries of any kind, below protocol 28 of regular files alone, linked or not", () => {
    const reader = new ByteReader();
    reader.push(Buffer.from("0100000002000000", "hex"));
    expect(new InodeLinksDecoder(29).read(reader, 0, FILE)).toBeUndefined();
    expect(new InodeLinksDecoder(27).read(reader, 0, LINK)).toBeUndefined();
    expect(reader.available).toBe(8);
    expect(new InodeLinksDecoder(27).read(reader, 0, FILE)).toEqual({ device: "1", inode: "2" });
  });

  it.each([29, 28, 27])("go there and back: protocol %d", (protocol) => {
    const writer = new ByteWriter();
    const encoder = new InodeLinksEncoder(protocol);
    const groups = [0, 1, 0, 3, 1];
    const flags = groups.map((group) => {
      const each = encoder.flags();
      encoder.write(writer, each, FILE, group);
      return each;
    });
    const reader = new ByteReader();
    reader.push(writer.take());
    const decoder = new InodeLinksDecoder(protocol);
    const read = flags.map((each, index) => {
      const inode = decoder.read(reader, each, FILE);
      return inode && decoder.commit(inode, index);
    });
    expect(read).toEqual(groups);
    expect(reader.available).toBe(0);
  });
});

describe("directories with content, where flags do not tell", () => {
  it("are those named and with recursion those below", () => {
    const hierarchy = new ContentHierarchy(true);
    expect(hierarchy.hasContent("implied", false)).toBe(false);
    expect(hierarchy.hasContent("a", true)).toBe(true);
    expect(hierarchy.hasContent("a/b", false)).toBe(true);
    expect(hierarchy.hasContent("ab", false)).toBe(false);
    // It has left the hierarchy.
    expect(hierarchy.hasContent("a/c", false)).toBe(false);
    expect(hierarchy.hasContent(".", true)).toBe(true);
    expect(hierarchy.hasContent("anything", false)).toBe(true);
  });

  it("are those named alone without recursion", () => {
    const hierarchy = new ContentHierarchy(false);
    expect(hierarchy.hasContent(".", true)).toBe(true);
    expect(hierarchy.hasContent("a", false)).toBe(false);
  });
});
