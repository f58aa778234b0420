import { expect, test } from "vitest";
import { charsetOf, escapeOutput } from "../../src/rsync/output-text.ts";

const bytes = (text: string): string => Buffer.from(text, "utf8").toString("latin1");

test.each([
  ["plain ~ \t text", "utf8", "plain ~ \t text"],
  [bytes("grün"), "utf8", bytes("grün")],
  [bytes("grün"), "ascii", "gr\\#303\\#274n"],
  [bytes("👍\u200d"), "utf8", bytes("👍\u200d")],
  ["\xff\x1b[2J\x7f", "utf8", "\\#377\\#033[2J\x7f"],
  ["\x7f\xe4", "ascii", "\x7f\\#344"],
  ["\xff\x1b\xe4", "8bit", "\xff\\#033\xe4"],
  ["a\\#033 b\\#03", "utf8", "a\\#134#033 b\\#03"],
  ["\xc3\x84\xff\x7f\x1b", "log", "\xc3\\#204\xff\x7f\\#033"],
  // U+009B begins a command for a terminal.
  [bytes("\u009b"), "utf8", "\\#302\\#233"],
] as const)("%j in %s is %j", (line, charset, shown) => {
  expect(escapeOutput(line, charset)).toBe(shown);
});

test("the locale says what a terminal shows, as for every program", () => {
  expect(charsetOf({ LANG: "de_DE.UTF-8" })).toBe("utf8");
  expect(charsetOf({ LC_ALL: "C", LANG: "de_DE.UTF-8" })).toBe("ascii");
  expect(charsetOf({ LC_ALL: "", LC_CTYPE: "C.utf8" })).toBe("utf8");
  expect(charsetOf({})).toBe("ascii");
});
