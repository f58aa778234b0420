import {
  array,
  assert,
  constantFrom,
  integer,
  option,
  property,
  record,
  uint8Array,
} from "fast-check";
import { expect, test } from "vitest";
import { AclDecoder, AclEncoder } from "../src/acl.ts";
import { ByteReader, ByteWriter, RsyncError, type WireAcl } from "../src/index.ts";

const permissions = integer({ min: 0, max: 7 });
const acl = record({
  owner: option(permissions, { nil: undefined }),
  group: option(permissions, { nil: undefined }),
  mask: option(permissions, { nil: undefined }),
  other: option(permissions, { nil: undefined }),
  named: array(
    record({
      kind: constantFrom("user" as const, "group" as const),
      id: integer({ min: 0, max: 0xffff_fffe }),
      permissions,
    }),
    { maxLength: 4 },
  ),
}).map(
  ({ owner, group, mask, other, named }): WireAcl => ({
    ...(owner === undefined ? {} : { owner }),
    ...(group === undefined ? {} : { group }),
    ...(mask === undefined ? {} : { mask }),
    ...(other === undefined ? {} : { other }),
    named,
  }),
);

function readerOf(bytes: Uint8Array): ByteReader {
  const reader = new ByteReader();
  reader.push(Buffer.from(bytes));
  return reader;
}

test("user 1 may read a file of mode 0600, as the real rsync tells it", () => {
  const writer = new ByteWriter();
  const list: WireAcl = { group: 0, named: [{ kind: "user", id: 1, permissions: 4 }] };
  const encoder = new AclEncoder();
  encoder.write(writer, list, () => "daemon");
  encoder.write(writer, list, () => "daemon");
  expect(writer.take().toString("hex")).toBe(
    `00120001011306${Buffer.from("daemon").toString("hex")}01`,
  );
});

test("lists are read as they were written, names with them", () => {
  assert(
    property(array(acl, { maxLength: 6 }), (lists) => {
      const encoder = new AclEncoder();
      const writer = new ByteWriter();
      for (const list of lists)
        encoder.write(writer, list, (_kind, id) => (id % 2 ? `n${id}` : undefined));
      const reader = readerOf(writer.take());
      const decoder = new AclDecoder();
      const names = new Map<number, string>();
      for (const list of lists) {
        expect(decoder.read(reader)).toEqual(list);
        decoder.commit((_kind, id, name) => names.set(id, name));
      }
      const odd = lists.flatMap(({ named }) => named).filter(({ id }) => id % 2);
      for (const { id } of odd) expect(names.get(id)).toBe(`n${id}`);
      expect(reader.available).toBe(0);
    }),
  );
});

test("any bytes are a list, too few, or an error of the peer", () => {
  assert(
    property(uint8Array({ maxLength: 30 }), (bytes) => {
      const decoder = new AclDecoder();
      let error: unknown;
      try {
        readerOf(bytes).attempt((r) => decoder.read(r));
      } catch (thrown) {
        error = thrown;
      }
      expect(error === undefined || error instanceof RsyncError).toBe(true);
    }),
  );
});
