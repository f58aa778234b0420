import { expect, test } from "vitest";
import { assertEntryName } from "../src/index.ts";

const refused: readonly (readonly [string, string])[] = [
  ["", "a name is empty"],
  [".", "a name is . or .."],
  ["..", "a name is . or .."],
  ["a/b", "a name holds / at byte 1"],
  ["/", "a name holds / at byte 0"],
  ["a\0", "a name holds NUL at byte 1"],
];

test.each(refused)("%j is refused", (text, message) => {
  expect(() => assertEntryName(Buffer.from(text))).toThrow(
    expect.objectContaining({ code: "ERR_POSIX_FS_NAME", message }),
  );
});

test("one that is too long is refused as the kernel does", () => {
  const error = { code: "ENAMETOOLONG", errno: -36 };
  expect(() => assertEntryName(Buffer.alloc(256, "a"))).toThrow(expect.objectContaining(error));
});

test.each(["...", ".a", "..a", "-rf", "a\nb", " ", "a".repeat(255), "\xff\xfe"])(
  "%j is a name",
  (text) => {
    expect(() => assertEntryName(Buffer.from(text, "latin1"))).not.toThrow();
  },
);
