import { readFileSync } from "node:fs";
import { RsyncError } from "@dialhome/rsync-protocol";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OPTION_ROWS } from "../../src/rsync/option-table.ts";
import { parseRsyncArguments } from "../../src/rsync/parse-arguments.ts";
import type { RsyncSettings } from "../../src/rsync/settings.ts";
import { transferOptions } from "../../src/rsync/transfer-options.ts";

const parse = (...args: string[]): RsyncSettings =>
  parseRsyncArguments(args, (path) => `# a comment\nline of ${path}\n`);
/** What is on unless it is taken back. */
const ON = new Set<string>(["incRecursive", "impliedDirs", "motd"]);
const flagsOf = (...args: string[]): string[] =>
  [...parse(...args).flags].filter((flag) => !ON.has(flag)).toSorted();

const ARCHIVE = ["devices", "group", "links", "owner", "perms", "recursive", "specials", "times"];

describe("rsync's grammar", () => {
  test.each([
    [["-rlt"], ["links", "recursive", "times"]],
    [
      ["-r", "-l"],
      ["links", "recursive"],
    ],
    [["--recursive"], ["recursive"]],
    [["-a"], ARCHIVE],
    [["-rlptgoD"], ARCHIVE],
    [["-a", "--no-D"], ARCHIVE.filter((flag) => flag !== "devices" && flag !== "specials")],
    [["-a", "--no-o", "--no-g"], ARCHIVE.filter((flag) => flag !== "owner" && flag !== "group")],
    [["--no-owner", "-a"], ARCHIVE],
    [["-a", "--no-archive"], []],
    [["--no-z", "--no-partial", "--no-xattrs"], []],
    [["--del"], ["deleteDuring"]],
    [["--delete-during"], ["deleteDuring"]],
    [["--ignore-non-existing"], ["existing"]],
    [["-4"], ["ipv4"]],
  ])("%j switches on %j", (args, flags) => {
    expect(flagsOf(...args)).toEqual(flags.toSorted());
  });

  test.each([
    [["-B700"], 700],
    [["-B", "700"], 700],
    [["-B=700"], 700],
    [["-rB700"], 700],
    [["--block-size=700"], 700],
    [["--block-size", "700"], 700],
    [["-B", "1K"], 1024],
    [["-B", "1KB"], 1000],
    [["-B", "1.5KiB"], 1536],
    [["-B", "131072"], 131_072],
  ])("%j gives a block size of %d", (args, bytes) => {
    expect(parse(...args).blockSize).toBe(bytes);
  });

  // As rsync 3.5.0's client tells its server.
  test.each([
    [["-z"], { compress: true }],
    [["-zz"], { compress: true, compressChoice: "zlibx" }],
    [["-zz", "--zc=lz4"], { compressChoice: "lz4" }],
    [["-zz", "--zc=auto"], { compressChoice: "zlibx" }],
    [["--zc=auto"], { compress: false }],
    [["--new-compress"], { compressChoice: "zlibx" }],
    [["--zc=lz4", "--old-compress"], { compressChoice: "zlib" }],
    [["--zc=ZSTD", "--no-z"], { compress: false }],
    [["--zc=lz4", "--no-compress", "-z"], { compress: true }],
    [["--zl=-5", "--skip-compress=gz/jpg"], { compressLevel: -5, skipCompress: "gz/jpg" }],
    [["--compress-level", "9", "--no-z"], { compress: false, compressLevel: 9 }],
    [["--zt=2"], { compress: false }],
  ])("%j asks for %j", (args, wanted) => {
    const { compress, compressChoice, compressLevel, skipCompress } = transferOptions(
      parse(...args),
    );
    const asked = { compress, compressChoice, compressLevel, skipCompress };
    expect(asked).toEqual({
      compress: compress === true,
      compressChoice: undefined,
      compressLevel: undefined,
      skipCompress: undefined,
      ...wanted,
    });
  });

  test("letters that count", () => {
    expect(parse("-vvv").verbose).toBe(3);
    expect(parse("-v", "--verbose", "--no-v").verbose).toBe(0);
    expect(parse("-hh", "x").human).toBe(3);
    expect(parse("--no-h", "x").human).toBe(0);
  });

  test("-h by itself asks for help", () => {
    expect(parse("-h").flags.has("help")).toBe(true);
    expect(parse("-h", "x").flags.has("help")).toBe(false);
  });

  test("operands stand anywhere, and -- ends the options", () => {
    expect(parse("a", "-r", "b", "--", "-c", "--delete").operands).toEqual([
      "a",
      "b",
      "-c",
      "--delete",
    ]);
    expect(parse("-").operands).toEqual(["-"]);
  });

  test("later options win", () => {
    expect(parse("--timeout=5", "--timeout=7").timeoutSeconds).toBe(7);
    expect(parse("--timeout=5", "--no-timeout").timeoutSeconds).toBe(0);
    expect(parse("--inc-recursive", "--no-inc-recursive").flags.has("incRecursive")).toBe(false);
    expect(parse("--no-i-r").flags.has("incRecursive")).toBe(false);
  });

  test("values of all kinds", () => {
    const settings = parse(
      "--modify-window=-1",
      "-@2",
      "--cc=MD5",
      "--contimeout=9",
      "--password-file=p",
      "--port=8873",
      "--address=::1",
      "--protocol=31",
      "--link-dest=a",
      "--link-dest=b",
    );
    expect(settings).toMatchObject({
      modifyWindow: 2,
      checksumChoice: { transfer: "md5", list: "md5" },
      contimeoutSeconds: 9,
      passwordFile: "p",
      port: 8873,
      address: "::1",
      protocol: 31,
      linkDest: ["a", "b"],
    });
    expect(transferOptions(settings)).toMatchObject({
      protocol: 31,
      linkDest: ["a", "b"],
      delete: false,
    });
    expect(transferOptions(parse("-B0"))).not.toHaveProperty("blockSize");
  });

  test("the remote shell and its far end", () => {
    expect(
      parse("-e", "ssh -p 2222", "--rsync-path=/x", "-M--log-file=l", "--identity=k", "--old-args"),
    ).toMatchObject({
      rsh: "ssh -p 2222",
      rsyncPath: "/x",
      remoteOptions: ["--log-file=l"],
      ssh: { identities: ["k"], knownHosts: [], fingerprints: [] },
    });
    expect(flagsOf("-s", "--old-args")).toEqual(["oldArgs", "secludedArgs"]);
  });

  test("a list of files makes paths relative, and takes recursion out of -a", () => {
    const withoutRecursion = ARCHIVE.filter((flag) => flag !== "recursive");
    expect(flagsOf("-a", "--files-from=f")).toEqual([...withoutRecursion, "relative"].toSorted());
    expect(flagsOf("-ar", "--files-from=f")).toEqual([...ARCHIVE, "relative"].toSorted());
    expect(flagsOf("--no-R", "-r", "--files-from=f")).toEqual(["recursive"]);
    expect(parse("--no-implied-dirs").flags.has("impliedDirs")).toBe(false);
  });

  test("--info chooses names and progress", () => {
    expect(parse("--info=progress2").info).toMatchObject({ progress: 2, name: 0, nonreg: 1 });
    expect(parse("--info=NAME0,progress2", "-vv").info).toMatchObject({ name: 0, skip: 1 });
    expect(parse("--info=all2,none,del").info).toMatchObject({ name: 0, stats: 0, del: 1 });
    expect(parse("--progress").info).toMatchObject({ progress: 1, name: 1, flist: 2 });
    expect(parse("--progress", "-i").info).toMatchObject({ progress: 1, name: 0 });
    expect(parse("--stats", "-v").info).toMatchObject({ stats: 2, name: 1 });
  });

  test("filter rules keep their order", () => {
    const { filterRules } = parse(
      "--include=*.c",
      "--exclude=*",
      "--exclude-from=file",
      "-f-s_/x",
      "--exclude=+ kept",
    );
    expect(filterRules).toEqual(["+ *.c", "- *", "- line of file", "-s /x", "+ kept"]);
    expect(parse("--exclude=a", "--filter=!", "--exclude=b").filterRules).toEqual(["- b"]);
  });
});

describe("what is refused", () => {
  test.each([
    [["--nonsense"], "--nonsense: unknown option"],
    [["--no-nonsense"], "--no-nonsense: unknown option"],
    [["--a"], "--a: unknown option"],
    [["-Y"], "-Y: unknown option"],
    [["-r-"], "--: unknown option"],
    [["--recursive=1"], "--recursive: option does not take a value"],
    [["--no-r=1"], "--no-r: option does not take a value"],
    [["--port"], "--port: missing argument"],
    [["-B"], "-B: missing argument"],
    [["--timeout=soon"], "--timeout=soon: invalid numeric value"],
    [["--timeout="], "--timeout=: invalid numeric value"],
    [["--info=nix"], 'unknown --info item: "nix"'],
    [["--port=0"], "--port=0: want a number from 1 to 65535"],
    [["-B", "200000"], "-B=200000: more than 131072 bytes"],
    [["-B", "1X"], "-B=1X is invalid"],
    [["--no-port"], "--no-port: unknown option"],
  ])("%j is a mistake: exit code 1", (args, message) => {
    expect(() => parse(...args)).toThrow(expect.objectContaining({ exitCode: 1, message }));
  });

  test.each([
    [["-y"], "option -y is not supported by dialhome rsync"],
    [["-avzy"], "option -y is not supported by dialhome rsync"],
    [["--fuzzy"], "option --fuzzy is not supported by dialhome rsync"],
    [["--write-batch", "f"], "option --write-batch is not supported by dialhome rsync"],
    [["--copy-as=me"], "option --copy-as is not supported by dialhome rsync"],
    [["--protocol=26"], "--protocol=26: only 27 to 32 are spoken here"],
    [["--out-format=%b"], "%b in a format: bytes on the wire are not told file by file"],
    [["--sockopts=SO_SNDBUF=1"], "--sockopts=SO_SNDBUF=1 is not supported by dialhome rsync"],
    [["--stderr=client"], "--stderr=client is not supported by dialhome rsync"],
    [["--cc=crc"], "--cc=crc: no such checksum here"],
  ])("%j is refused by its name: exit code 4", (args, message) => {
    expect(() => parse(...args)).toThrow(expect.objectContaining({ exitCode: 4, message }));
  });

  test("every row without support says its name", () => {
    const rows = OPTION_ROWS.filter(({ effect }) => effect.is === "unsupported");
    const readme = readFileSync(
      new URL("../../../rsync-protocol-client/README.md", import.meta.url),
      "utf8",
    );
    const refused = readme.slice(readme.indexOf("## Refused"));
    for (const { names } of rows) expect(refused).toContain(`\`--${names[0] ?? ""}\``);
    const spellings = rows.flatMap(({ names }) =>
      names.map((name) => (name.length === 1 ? `-${name}` : `--${name}`)),
    );
    expect(spellings).toContain("--write-batch");
    for (const spelling of spellings) {
      expect(() => parse(spelling)).toThrow(
        expect.objectContaining({
          exitCode: 4,
          message: expect.stringContaining(`option ${spelling} `),
        }),
      );
    }
  });

  test("no name stands for two options", () => {
    const names = OPTION_ROWS.flatMap((row) => row.names);
    expect(new Set(names).size).toBe(names.length);
  });
});

test("any words give settings, or an error with rsync's exit code 1 or 4", () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom("-a", "--", "-B", "--no-r", "--info", "--exclude", "--port=1", "-vv", "-"),
    fc.string({ maxLength: 6 }).map((text) => `-${text}`),
    fc.string({ maxLength: 12 }).map((text) => `--${text}`),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (args) => {
      expect(outcomeOf(args)).toMatch(/^(settings|1|4)$/);
    }),
  );
});

/** `settings`, or the exit code of what was thrown, or its own words. */
function outcomeOf(args: readonly string[]): string {
  try {
    const { operands } = parse(...args);
    return operands.every((operand) => args.includes(operand)) ? "settings" : "other operands";
  } catch (error) {
    return error instanceof RsyncError ? String(error.exitCode) : String(error);
  }
}

describe("--delete", () => {
  test.each([["--delete"], ["--del"], ["--delete-after"], ["--delete-excluded"]])(
    "%s after --no-d takes a list of files no more, as with rsync 3.5.0",
    (option) => {
      const listed = parse(option, "--files-from=x", "s", "d");
      expect(() => transferOptions(listed)).not.toThrow();
      const without = parse(option, "--no-d", "--files-from=x", "s", "d");
      expect(() => transferOptions(without)).toThrow(/^--delete does not work without --recursive/);
      for (const back of ["-r", "-d"]) {
        const again = parse(option, "--no-d", back, "--files-from=x", "s", "d");
        expect(() => transferOptions(again)).not.toThrow();
      }
    },
  );
});
