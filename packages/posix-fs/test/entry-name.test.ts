import { expect, test } from "vitest";
import { assertEntryName } from "../src/index.ts";

const refused: readonly (readonly [string, string])[] = [
  ["", "a name is empty"],
  [".", "a name is . or .."],
  ["..", "a name is . or .."],
  ["a/b", "a name holds / at byte 1"],
  ["/", "a name holds / at byte 0"],
  ["a\0", "a name holds NUL at byte 1"],
  ["a".repeat(256), "a name has 256 bytes, limit 255"],
];

test.each(refused)("%j is refused", (text, message) => {
  expect(() => assertEntryName(Buffer.from(text))).toThrow(
    expect.objectContaining({ code: "ERR_POSIX_FS_NAME", message }),
  );
});

test.each(["...", ".a", "..a", "-rf", "a\nb", " ", "a".repeat(255), "\xff\xfe"])(
  "%j is a name",
  (text) => {
    expect(() => assertEntryName(Buffer.from(text, "latin1"))).not.toThrow();
  },
);
