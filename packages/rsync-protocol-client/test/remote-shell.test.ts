import { execFileSync } from "node:child_process";
import { RsyncError } from "@dialhome/rsync-protocol";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { remoteShellCommand } from "../src/index.ts";

const LETTERS = "-e.LsfxCIvu";

describe("the command for a remote shell", () => {
  it("is what rsync says, with paths that pass the shell", () => {
    const { words, secludedArguments } = remoteShellCommand(
      { recursive: true, incRecursive: false, checksumChoice: "md5" },
      ["a b", "", "*.c", "a\\*b", "a\\b", "-x", "~", "~/x", "$(id)"],
      { remoteOptions: ["--log-file=/a b*"] },
    );
    expect(words).toEqual([
      "rsync",
      "--server",
      "--sender",
      LETTERS.replace("-e", "-re"),
      "--checksum-choice=md5",
      "--log-file=/a\\ b\\*",
      ".",
      "a\\ b",
      ".",
      "*.c",
      "a\\*b",
      "a\\\\b",
      "./-x",
      "\\~",
      "~/x",
      "\\$\\(id\\)",
    ]);
    expect(secludedArguments).toEqual([]);
  });

  it("leaves everything to the shell with the old arguments, and sends it along when secluded", () => {
    const old = remoteShellCommand({}, ["a b"], { arguments: "old", program: "sudo rsync" });
    expect(old.words).toEqual(["sudo rsync", "--server", "--sender", LETTERS, ".", "a b"]);
    const secluded = remoteShellCommand({ numericIds: true }, ["a b", "-c"], {
      arguments: "secluded",
      remoteOptions: ["-x y"],
    });
    expect(secluded).toEqual({
      words: ["rsync", "--server", "--sender", LETTERS.replace("-", "-s")],
      secludedArguments: ["rsync", "--numeric-ids", "-x y", ".", "a b", "./-c"],
    });
    expect(() => remoteShellCommand({}, ["a\0b"])).toThrow(RsyncError);
  });

  it("passes any name through a real shell, but for wildcards", () => {
    const name = fc
      .string({ minLength: 1, unit: fc.constantFrom(...` a-~/'"$\`;&|<>(){}!#=,^%@:+`.split("")) })
      .filter((text) => !text.startsWith("~") && !text.startsWith("-"));
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 5 }), (names) => {
        const { words } = remoteShellCommand({}, names);
        const paths = words.slice(words.indexOf(".") + 1);
        const shown = execFileSync("sh", ["-c", `printf '%s\\n' ${paths.join(" ")}`], {
          encoding: "utf8",
        });
        expect(shown).toBe(`${names.join("\n")}\n`);
      }),
      { numRuns: 30 },
    );
  });
});
