import {
  AuthorizedKeysError,
  defaultKeyOptions,
  formatLine,
  type KeyLine,
  type KeyOptions,
  type Permit,
  parseAuthorizedKeys,
  parseLine,
  parsePublicKey,
  TUNNEL_ANY,
} from "@dialhome/authorized-keys";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

const KEY = parsePublicKey(
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL6Veiog1Flip6Gk8/eSBvxq5aDom5Ze2XmpPn3inScN",
);

/** Any code point but a half of a surrogate pair: as fast-check's "binary", which takes a second to set up. */
const codePoint: fc.Arbitrary<string> = fc
  .oneof(fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10_ffff }))
  .map((code) => String.fromCodePoint(code));

/** Text that a value may hold: no line end, no NUL, no backslash at its end. */
const value = fc
  .string({ unit: codePoint, maxLength: 40 })
  .filter((text) => !/[\n\r\0]/.test(text) && !text.endsWith("\\") && !text.endsWith("\\"));
const port = fc.oneof(fc.integer({ min: 1, max: 65_535 }), fc.constant("*" as const));
const target: fc.Arbitrary<Permit> = fc.record({
  host: fc.constantFrom("localhost", "10.0.0.1", "*.example", "::1", "*"),
  port,
});
const listener: fc.Arbitrary<Permit> = fc.oneof(
  target,
  fc.record({ host: fc.constant(undefined), port }),
);
const options: fc.Arbitrary<KeyOptions> = fc.record({
  allow: fc.record({
    pty: fc.boolean(),
    portForwarding: fc.boolean(),
    agentForwarding: fc.boolean(),
    x11Forwarding: fc.boolean(),
    userRc: fc.boolean(),
  }),
  touchRequired: fc.boolean(),
  verifyRequired: fc.boolean(),
  certAuthority: fc.boolean(),
  command: fc.option(value, { nil: undefined }),
  from: fc.option(value, { nil: undefined }),
  principals: fc.option(value, { nil: undefined }),
  expiresAt: fc.option(
    fc
      .integer({ min: Date.UTC(1970, 0, 1) / 1000, max: Date.UTC(9000, 0, 1) / 1000 })
      .map((seconds) => seconds * 1000),
    { nil: undefined },
  ),
  environment: fc
    .array(fc.tuple(fc.stringMatching(/^[A-Za-z0-9_]{1,8}$/), value), { maxLength: 3 })
    .map((pairs) => new Map(pairs)),
  permitOpen: fc.array(target, { maxLength: 3 }),
  permitListen: fc.array(listener, { maxLength: 3 }),
  tunnel: fc.option(fc.oneof(fc.nat(1000), fc.constant(TUNNEL_ANY)), { nil: undefined }),
});

describe("formatLine", () => {
  it("writes what parseLine reads as the same again", () => {
    fc.assert(
      fc.property(options, fc.stringMatching(/^[a-z@. ]{0,20}$/), (some, comment) => {
        const line: KeyLine = { key: KEY, options: some, comment: comment.trimStart() };
        expect(parseLine(formatLine(line))).toEqual({ is: "key", ...line });
      }),
    );
  });

  it("restricts first and loosens afterwards", () => {
    const allow = { ...defaultKeyOptions().allow, pty: false, userRc: false };
    const line = formatLine({
      key: KEY,
      options: { ...defaultKeyOptions(), allow, command: 'say "hi"' },
      comment: "me",
    });
    expect(line).toMatch(
      /^restrict,port-forwarding,agent-forwarding,X11-forwarding,command="say \\"hi\\"" ssh-ed25519 \S+ me$/,
    );
  });

  it.each([
    ["a line end in a command", { command: "a\nb" }],
    ["a carriage return", { from: "a\rb" }],
    ["a NUL", { command: "a\0b" }],
    ["a backslash at the end", { command: "a\\" }],
    ["an odd name of a variable", { environment: new Map([["A-B", "1"]]) }],
  ])("refuses %s", (_name, some) => {
    const line = { key: KEY, options: { ...defaultKeyOptions(), ...some }, comment: "" };
    expect(() => formatLine(line)).toThrow(AuthorizedKeysError);
  });

  it.each(["a\nssh-ed25519 AAAA", "a\0", " blank in front"])(
    "refuses the comment %j",
    (comment) => {
      expect(() => formatLine({ key: KEY, options: defaultKeyOptions(), comment })).toThrow(
        "cannot be written",
      );
    },
  );
});

describe("parseLine", () => {
  it("never throws, and a line that it takes can be written again", () => {
    const pieces = fc.constantFrom(
      'command="',
      '"',
      "\\",
      ",",
      " ",
      "\t",
      "restrict",
      "no-",
      "pty",
      'from="*"',
      'permitopen="[::1]:*"',
      'expiry-time="20300101Z"',
      "ssh-ed25519 ",
      "AAAAC3NzaC1lZDI1NTE5AAAAIL6Veiog1Flip6Gk8/eSBvxq5aDom5Ze2XmpPn3inScN",
      "ssh-rsa AAAA",
      "#",
      "\0",
      "\r",
    );
    const text = fc.oneof(
      fc.array(pieces, { maxLength: 12 }).map((some) => some.join("")),
      fc.string({ unit: codePoint, maxLength: 200 }),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
    );
    fc.assert(
      fc.property(text, (some) => {
        const parsed = parseLine(some);
        const again =
          parsed.is === "key" ? parseLine(formatLine({ ...parsed, comment: "" })) : parsed;
        expect(again.is).toBe(parsed.is);
      }),
      { numRuns: 1000 },
    );
  });
});

/** A line with that many variables. */
function manyVariables(count: number): string {
  return `${Array.from({ length: count }, (_, n) => `environment="A${n}=1"`).join(",")} ssh-ed25519 ${Buffer.from(KEY.blob).toString("base64")}`;
}

describe("parseAuthorizedKeys", () => {
  it("gives one entry for each line, whatever they hold", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 30 })), (lines) => {
        const clean = lines.map((line) => line.replaceAll("\n", ""));
        const parsed = parseAuthorizedKeys(clean.map((line) => `${line}\n`).join(""));
        expect(parsed.lines.map(({ line }) => line)).toEqual(clean.map((_, index) => index + 1));
      }),
    );
  });

  it("keeps within the limits of sshd", () => {
    expect(parseLine(manyVariables(1024)).is).toBe("key");
    expect(parseLine(manyVariables(1025))).toMatchObject({
      is: "useless",
      reason: "bad key options: too many environment strings",
    });
  });
});
