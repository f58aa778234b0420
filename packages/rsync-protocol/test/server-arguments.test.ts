import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RsyncError } from "../src/errors.ts";
import {
  escapeServerPath,
  formatServerArguments,
  hasWildcard,
  MAX_ARGUMENTS,
  parseServerArguments,
  type ServerArguments,
  unescapeServerPath,
} from "../src/server-arguments.ts";
import {
  FLAGS,
  noServerOptions,
  type ServerOptions,
  VALUES,
  type ValueRow,
} from "../src/server-options.ts";

const ARCHIVE: Partial<ServerOptions> = {
  recursive: true,
  links: true,
  perms: true,
  times: true,
  group: true,
  owner: true,
  devices: true,
  specials: true,
  capabilities: "iLsfxCIvu",
};

const parse = (...args: string[]): ServerArguments =>
  parseServerArguments(["--server", "--sender", ...args, "."]);
const argumentsOf = (count: number): string[] => [
  "--server",
  ...Array.from({ length: count - 1 }, () => "."),
];

const valueOf = (row: ValueRow): fc.Arbitrary<string | number> =>
  row.is === "number"
    ? fc.integer({ min: row.min ?? 0, max: row.max ?? 0 })
    : fc.string({ minLength: 1 });

describe("a server's command line", () => {
  test("is written as rsync 3.5.0 writes it", () => {
    expect(formatServerArguments(ARCHIVE, ["small/"])).toEqual([
      "--server",
      "--sender",
      "-logDtpre.iLsfxCIvu",
      ".",
      "small/",
    ]);
    const more = { ...ARCHIVE, hardLinks: true, specials: false, oneFileSystem: 2, timeout: 30 };
    expect(formatServerArguments(more, ["-x"])).toEqual([
      "--server",
      "--sender",
      "-lHogDtprxxe.iLsfxCIvu",
      "--no-specials",
      "--timeout=30",
      ".",
      "./-x",
    ]);
  });

  test.each([
    [{ compress: true, compressLevel: -3 }, ["-rz", "--compress-level=-3"]],
    [{ compressChoice: "zlibx" }, ["-r", "--new-compress"]],
    [{ compress: true, compressChoice: "zlib" }, ["-rz", "--old-compress"]],
    [
      { compressLevel: 3, compressChoice: "lz4" },
      ["-r", "--compress-level=3", "--compress-choice=lz4"],
    ],
  ])("asks for compression as rsync 3.5.0 does: %j", (options, wanted) => {
    const args = formatServerArguments({ recursive: true, ...options }, ["x"]);
    expect(args).toEqual(["--server", "--sender", ...wanted, ".", "x"]);
  });

  test.each([
    ["-vvlogDtpre.iLsfxCIvu", { verbose: 2 }],
    ["-nlogDtprce.iLsfxCIvu", { dryRun: true, checksum: true }],
    ["-lHogDtpAXrxxe.LsfxCIvu", { acls: true, xattrs: 1, oneFileSystem: 2, hardLinks: true }],
    ["-logtpre.iLsfxCIvu --specials", { devices: false, specials: true }],
    ["-logDtpre.iLsfxCIvu --no-specials", { devices: true, specials: false }],
    ["-logDtprSe.iLsfxCIvu -B4096 --append --append", { blockSize: 4096, append: 2, sparse: true }],
    ["-logDtpre.iLsfxCIvu --timeout 30 --numeric-ids", { timeout: 30, numericIds: true }],
    ["-logDtpRe.LsfxCIvu --files-from=- --from0", { filesFrom: "-", from0: true, relative: true }],
    ["-logDtprze.iLsfxCIvu --new-compress", { compress: true, compressChoice: "zlibx" }],
    ["-de.LsfxCIvu --list-only", { dirs: true, listOnly: true, capabilities: "LsfxCIvu" }],
    ["-logDtpre32.1iLs --checksum-seed=-7", { capabilities: "1iLs", checksumSeed: -7 }],
  ])("of a real client is understood: %s", (line, wanted) => {
    const args = ["--server", "--sender", ...line.split(" "), ".", "mod/a b", "-not-an-option"];
    const { options, paths } = parseServerArguments(args);
    expect(options).toMatchObject(wanted);
    expect(options.sender).toBe(true);
    expect(paths).toEqual(["mod/a b", "-not-an-option"]);
  });

  test("tells which options were given", () => {
    expect(parseServerArguments(["--server", "-rDce.i", "--bwlimit=1", "."]).given).toEqual([
      "recursive",
      "devices",
      "specials",
      "checksum",
      "bwlimit",
    ]);
  });

  // openrsync's client tells a sender how it deletes, as the real rsync's server lets it.
  test("may have what is a receiver's business, which is told and nothing else", () => {
    const line = "-rmKOy -T /tmp -@-1 --delete-before --max-size=1 --link-dest d --stats";
    const parsed = parse(...line.split(" "));
    expect(parsed.problems).toEqual([]);
    expect(parsed.options).toEqual(parse("-r").options);
    const given =
      "recursive prune-empty-dirs keep-dirlinks omit-dir-times fuzzy temp-dir modify-window delete-before max-size link-dest stats";
    expect(parsed.given.join(" ")).toBe(given);
    expect(parseServerArguments(["--server", "--max-size"]).problems).toEqual([
      "--max-size: missing value",
    ]);
    expect(parse("--delete=1").problems).toEqual(["--delete: option is not supported"]);
  });

  test("with an unknown option is refused by its name", () => {
    expect(parse("-rQ").problems).toEqual(["-Q: option is not supported"]);
    expect(parse("--foo=1").problems).toEqual(["--foo: option is not supported"]);
    expect(parse("--constructor").problems).toEqual(["--constructor: option is not supported"]);
    expect(parse("--numeric-ids=1").problems).toEqual(["--numeric-ids: option is not supported"]);
    expect(parse("--timeout=1e3").problems).toEqual(["--timeout: not a number in range"]);
    expect(parseServerArguments(["--server", "--timeout"]).problems).toEqual([
      "--timeout: missing value",
    ]);
    expect(() => parseServerArguments(["--sender"])).toThrow("--server");
    expect(() => parseServerArguments([])).toThrow(RsyncError);
  });

  test("may have so many arguments and no more", () => {
    expect(parseServerArguments(argumentsOf(MAX_ARGUMENTS)).paths).toHaveLength(MAX_ARGUMENTS - 2);
    expect(() => parseServerArguments(argumentsOf(MAX_ARGUMENTS + 1))).toThrow(RsyncError);
  });

  test("comes back as it was written", () => {
    const options = fc.record<Partial<ServerOptions>>(
      Object.fromEntries([
        ...FLAGS.map((row) => [
          row.key,
          row.counts ? fc.integer({ min: 0, max: 2 }) : fc.boolean(),
        ]),
        ...VALUES.map((row) => [row.key, fc.option(valueOf(row), { nil: undefined })]),
        ["impliedDirs", fc.boolean()],
        ["capabilities", fc.constantFrom("", "LsfxCIvu", "iLsf")],
      ]),
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(options, fc.array(fc.string()), (given, paths) => {
        const parsed = parseServerArguments(formatServerArguments(given, paths));
        const dirs = given.filesFrom === undefined ? {} : { dirs: true };
        expect(parsed.options).toEqual({ ...noServerOptions(), sender: true, ...given, ...dirs });
        expect(parsed.paths).toEqual(paths.map((p) => (p.startsWith("-") ? `./${p}` : p)));
      }),
    );
  });

  test("of any words is understood or an RsyncError", () => {
    const word = fc.oneof(
      fc.string(),
      fc.string().map((s) => `-${s}`),
      fc.string().map((s) => `--${s}`),
    );
    fc.assert(
      fc.property(fc.array(word), (words) => {
        const args = ["--server", ...words];
        expect(isValueOrRsyncError(() => parseServerArguments(args))).toBe(true);
      }),
    );
  });
});

test("an escaped path has no wildcard and comes back", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom("*", "?", "[", "]", "\\", "a", "/", "\n") }),
      (path) => {
        const escaped = escapeServerPath(path);
        expect(hasWildcard(escaped)).toBe(false);
        expect(unescapeServerPath(escaped)).toBe(path);
      },
    ),
  );
  expect(hasWildcard("a*")).toBe(true);
  expect(hasWildcard("\\\\*")).toBe(true);
  expect(hasWildcard("\\*")).toBe(false);
});

/** What came of it: nothing but our own error may be thrown. */
function isValueOrRsyncError(run: () => unknown): boolean {
  try {
    run();
    return true;
  } catch (error) {
    return error instanceof RsyncError;
  }
}
