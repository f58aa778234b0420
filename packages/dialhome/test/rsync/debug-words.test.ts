import { describe, expect, it } from "vitest";
import { checkDebugWords } from "../../src/rsync/debug-words.ts";

describe("--debug", () => {
  it.each(["all0", "NONE", "all0,deltasum0", "Fuzzy0,none", "", "all0,"])(
    "may switch off: %s",
    (value) => {
      expect(() => checkDebugWords(value)).not.toThrow();
    },
  );

  it.each(["all", "hlink5", "all0,nstr"])("is refused where it switches on: %s", (value) => {
    expect(() => checkDebugWords(value)).toThrow(expect.objectContaining({ exitCode: 4 }));
  });

  it.each(["nothing", "all-1", "all0,5"])("is a mistake: %j", (value) => {
    expect(() => checkDebugWords(value)).toThrow(expect.objectContaining({ exitCode: 1 }));
  });
});
