import fc from "fast-check";
import { expect, test } from "vitest";
import { argumentText, exactArguments, latin1 } from "../src/argument-bytes.ts";

test("an argument's bytes are what they were, UTF-8 or not", () => {
  expect(latin1("gr\u00fcn \u{1f600}")).toBe(Buffer.from("gr\u00fcn \u{1f600}").toString("latin1"));
  expect(argumentText(Buffer.from("gr\u00fcn"))).toBe("gr\u00fcn");
  expect(latin1(argumentText(Buffer.from("a\xe4\ufffd\xff/", "latin1")))).toBe("a\xe4\xfd\xff/");
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      const given = Buffer.from(bytes);
      expect(latin1(argumentText(given))).toBe(given.toString("latin1"));
    }),
  );
});

test("those of another process are not taken for ours", () => {
  expect(exactArguments(["a"])).toEqual(["a"]);
  expect(exactArguments(["\ufffd"])).toEqual(["\ufffd"]);
});
