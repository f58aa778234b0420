import fc from "fast-check";
import { expect, it } from "vitest";
import { decodeAclRecord, encodeAclRecord } from "../src/acl-record.ts";

it("is what the real rsync --fake-super wrote for user:1:r-- on a file with mode 0640", () => {
  const named = [{ kind: "user", id: 1, permissions: 4 }] as const;
  const acl = { owner: undefined, group: 0, mask: 4, other: undefined, named };
  const record = encodeAclRecord(acl);
  expect(record.toString("hex")).toBe("800000000000000004000000800000000100000004000080");
  expect(decodeAclRecord(record)).toEqual(acl);
});

const part = fc.option(fc.nat(7), { nil: undefined });
const name = fc.record({
  kind: fc.constantFrom("user" as const, "group" as const),
  id: fc.nat(0xffff_fffe),
  permissions: fc.nat(7),
});

it("is read as it was written", () => {
  const acl = fc.record({
    owner: part,
    group: part,
    mask: part,
    other: part,
    named: fc.array(name, { maxLength: 5 }),
  });
  fc.assert(
    fc.property(acl, (value) => {
      expect(decodeAclRecord(encodeAclRecord(value))).toEqual(value);
    }),
  );
});

it("of any bytes is a record or none", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const isWhole = bytes.length >= 16 && bytes.length % 8 === 0;
      expect(decodeAclRecord(Buffer.from(bytes)) !== undefined).toBe(isWhole);
    }),
  );
});
