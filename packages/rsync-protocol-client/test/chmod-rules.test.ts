import { RsyncError } from "@dialhome/rsync-protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyChmod, parseChmod } from "../src/chmod-rules.ts";

const FILE = 0o100000;
const DIRECTORY = 0o040000;

/** Permissions after `--chmod=text` with umask 022. */
function changed(text: string, mode: number): string {
  return applyChmod(mode, parseChmod(text, 0o022)).toString(8);
}

describe("--chmod", () => {
  // What the real rsync 3.5.0 made of them.
  it.each([
    ["u+w", FILE | 0o444, "100644"],
    ["a-x", FILE | 0o755, "100644"],
    ["+w", FILE | 0o444, "100644"],
    ["=rw", FILE | 0o777, "100644"],
    ["go=", FILE | 0o777, "100700"],
    ["+X", FILE | 0o644, "100644"],
    ["+X", FILE | 0o744, "100755"],
    ["+X", DIRECTORY | 0o600, "40711"],
    ["a-X", FILE | 0o755, "100644"],
    ["g=u", FILE | 0o741, "100771"],
    ["go=u,go-w", FILE | 0o666, "100644"],
    ["g-o", FILE | 0o777, "100707"],
    ["u=g", FILE | 0o4757, "100557"],
    ["u+s,g+s", FILE | 0o755, "106755"],
    ["a+s", FILE | 0o755, "106755"],
    ["+s", FILE | 0o755, "104755"],
    ["u=s", FILE | 0o6755, "106055"],
    ["+ts", FILE | 0o755, "104755"],
    ["+st", FILE | 0o755, "105755"],
    ["+t", DIRECTORY | 0o777, "41777"],
    ["D700,F600", DIRECTORY | 0o755, "40700"],
    ["D700,F600", FILE | 0o755, "100600"],
    ["Dg+s,ug+w,Fo-w,+X", DIRECTORY | 0o700, "42731"],
    ["0", FILE | 0o7777, "100000"],
    ["DD755", DIRECTORY | 0o7000, "40755"],
    ["u+", FILE | 0o644, "100644"],
  ])("%s of 0%o", (text, mode, expected) => {
    expect(changed(text, mode)).toBe(expected);
  });

  it.each([
    "",
    "u",
    "8",
    "10000",
    "DF755",
    "u755",
    "u+ug",
    "u+rg",
    "u*w",
    "u+w,",
    ",",
    "+q",
    "u=w+x",
  ])('"%s" is a mistake', (text) => {
    expect(() => parseChmod(text, 0)).toThrow(/invalid argument passed to --chmod/);
  });

  const mode = fc.tuple(fc.constantFrom(FILE, DIRECTORY), fc.nat(0o7777)).map(([a, b]) => a | b);
  const item = fc
    .tuple(
      fc.constantFrom("", "D", "F"),
      fc.subarray(["u", "g", "o", "a"]),
      fc.constantFrom("+", "-", "="),
      fc.oneof(fc.subarray(["r", "w", "x", "X", "s", "t"]), fc.constantFrom(["u"], ["g"], ["o"])),
    )
    .map(
      ([only, classes, operation, what]) =>
        `${only}${classes.join("")}${operation}${what.join("")}`,
    );

  it("changes permissions alone, and an empty item nothing", () => {
    fc.assert(
      fc.property(mode, item, (before, text) => {
        const rules = parseChmod(text, 0o027);
        const after = applyChmod(before, rules);
        expect(after & 0o170000).toBe(before & 0o170000);
        expect(applyChmod(before, [...rules, ...parseChmod("u+", 0)])).toBe(after);
      }),
    );
  });

  it("reads any text or refuses it", () => {
    const letters = fc.constantFrom(...Array.from("DFugoa+-=rwxXst,0178"));
    fc.assert(
      fc.property(fc.string({ unit: letters }), mode, (text, before) => {
        const result = readOrRefuse(text, before);
        expect(result === "ERR_RSYNC_OPTION" || (Number(result) & ~0o177777) === 0).toBe(true);
      }),
    );
  });
});

/** The mode that a text makes, or the code of its error. */
function readOrRefuse(text: string, before: number): number | string | undefined {
  try {
    return applyChmod(before, parseChmod(text, 0o022));
  } catch (error) {
    return error instanceof RsyncError ? error.code : undefined;
  }
}
