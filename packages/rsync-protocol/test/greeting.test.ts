import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RsyncError } from "../src/errors.ts";
import {
  agreeProtocol,
  type DaemonLine,
  formatDaemonLine,
  formatGreeting,
  negotiateProtocol,
  parseDaemonLine,
  parseGreeting,
} from "../src/greeting.ts";

describe("a greeting", () => {
  test("of rsync 3.5.0 is read and written", () => {
    const line = "@RSYNCD: 32.0 sha512 sha256 sha1 md5 md4";
    const greeting = {
      protocol: 32,
      subProtocol: 0,
      digests: ["sha512", "sha256", "sha1", "md5", "md4"],
    };
    expect(parseGreeting(line)).toEqual(greeting);
    expect(formatGreeting(greeting)).toBe(line);
  });

  test("may lack the digests below 32 and the sub-protocol below 30", () => {
    expect(parseGreeting("@RSYNCD: 31.0")).toEqual({
      protocol: 31,
      subProtocol: 0,
      digests: undefined,
    });
    expect(parseGreeting("@RSYNCD: 29")).toMatchObject({ protocol: 29, subProtocol: undefined });
    expect(() => parseGreeting("@RSYNCD: 32.0")).toThrow("digest list");
    expect(() => parseGreeting("@RSYNCD: 30")).toThrow("sub-protocol");
  });

  test("that is none is refused", () => {
    for (const line of [
      "",
      "SSH-2.0-x",
      "@RSYNCD: ",
      "@RSYNCD: x.0",
      "@RSYNCD: 41.0 md5",
      "GET / HTTP/1.1",
    ]) {
      expect(() => parseGreeting(line)).toThrow(RsyncError);
    }
  });

  test("of any text is a greeting or an RsyncError", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((s) => `@RSYNCD: ${s}`),
        ),
        (line) => {
          expect(isValueOrRsyncError(() => parseGreeting(line))).toBe(true);
        },
      ),
    );
  });
});

test("the lower protocol is spoken, and below 30 none", () => {
  expect(negotiateProtocol(32, parseGreeting("@RSYNCD: 31.0"))).toBe(31);
  expect(negotiateProtocol(31, parseGreeting("@RSYNCD: 40.0 md5"))).toBe(31);
  expect(negotiateProtocol(32, parseGreeting("@RSYNCD: 32.3 md5"))).toBe(31);
  expect(() => negotiateProtocol(32, parseGreeting("@RSYNCD: 26.0"))).toThrow("only 27 to 32");
  expect(agreeProtocol(32, 30)).toBe(30);
  expect(() => agreeProtocol(32, 0x2f2f2f2f)).toThrow(RsyncError);
});

test("a daemon's lines come back as they were written", () => {
  const lines: DaemonLine[] = [
    { is: "ok" },
    { is: "exit" },
    { is: "auth", challenge: "abc/+9" },
    { is: "error", text: "Unknown module 'x'" },
    { is: "text", text: "small          \ta few files" },
  ];
  for (const line of lines) expect(parseDaemonLine(formatDaemonLine(line))).toEqual(line);
  expect(parseDaemonLine("@ERROR max connections")).toEqual({
    is: "error",
    text: "max connections",
  });
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
