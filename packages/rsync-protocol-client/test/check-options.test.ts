import { duplexPair } from "node:stream";
import { RsyncError } from "@dialhome/rsync-protocol";
import { describe, expect, it } from "vitest";
import { assertOptions } from "../src/check-options.ts";
import type { PullOptions, PullSource } from "../src/index.ts";
import { pull } from "../src/index.ts";

const daemon = { kind: "daemon", module: "src", paths: [""] } as const;

function optionsWith(more: Partial<PullOptions>): PullOptions {
  return { stream: duplexPair()[0], source: daemon, destination: "/nowhere", ...more };
}

describe("options of pull", () => {
  it.each<Partial<PullOptions>>([
    { protocol: 26 },
    { protocol: 33 },
    { protocol: 31.5 },
    { maxDelete: -1 },
    { linkDest: ["a"], copyDest: ["b"] },
    { inplace: true, partialDir: "p" },
    { append: true, delayUpdates: true },
    { append: "verify", wholeFile: true },
    { backup: true, suffix: "" },
    { suffix: "a/b" },
    { maxSize: 1.5 },
    { deleteExcluded: true },
    { blockSize: 0 },
    { blockSize: 131_073 },
    { modifyWindow: -2 },
    { modifyWindow: Number.NaN },
    { maxListBytes: 0 },
    { compressLevel: 1.5 },
    { compressNames: [] },
    { skipCompress: "gz\0" },
    { maxListBytes: Number.NaN },
    { delete: true },
    { linkDest: Array.from({ length: 21 }, () => "x") },
  ])("refuses %j before anything happens", (more) => {
    expect(() => assertOptions(optionsWith(more))).toThrow(RsyncError);
    expect(() =>
      assertOptions(optionsWith({ ...more, recursive: true, delete: false })),
    ).not.toThrow(TypeError);
  });

  it.each<Partial<Extract<PullSource, { kind: "daemon" }>>>([
    { module: "" },
    { module: "a/b" },
    { module: "a\nb" },
    { module: "#list" },
    { user: "a b" },
    { user: "a\nb" },
    { paths: ["a\0b"] },
  ])("refuses what would end a line of the handshake: %j", (more) => {
    const options = optionsWith({ source: { ...daemon, ...more } });
    expect(() => assertOptions(options)).toThrow(RsyncError);
  });

  it("refuses a filter rule that is none", async () => {
    await expect(pull(optionsWith({ filterRules: ["nonsense"] }))).rejects.toMatchObject({
      exitCode: 1,
    });
  });

  it("takes what makes sense", () => {
    const fine = {
      recursive: true,
      delete: true,
      blockSize: 131_072,
      modifyWindow: -1,
      protocol: 30,
    };
    expect(() => assertOptions(optionsWith(fine))).not.toThrow();
    expect(() => assertOptions(optionsWith({ dirs: true, delete: true }))).not.toThrow();
    // A list of files implies dirs.
    const listed = { filesFrom: { names: ["a/"] }, delete: true };
    expect(() => assertOptions(optionsWith(listed))).not.toThrow();
  });
});
