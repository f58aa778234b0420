import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SshReverseError } from "../src/errors.ts";
import {
  type ForwardSpec,
  formatForward,
  parseForward,
  parseRemoteForward,
} from "../src/forward-spec.ts";

const FORMS: readonly (readonly [text: string, spec: ForwardSpec, written?: string])[] = [
  ["8080:localhost:80", { bindPort: 8080, target: { host: "localhost", port: 80 } }],
  ["0:localhost:22", { bindPort: 0, target: { host: "localhost", port: 22 } }],
  [
    "127.0.0.1:8080:web:80",
    { bindAddress: "127.0.0.1", bindPort: 8080, target: { host: "web", port: 80 } },
  ],
  ["*:8080:web:80", { bindAddress: "", bindPort: 8080, target: { host: "web", port: 80 } }],
  [
    ":8080:web:80",
    { bindAddress: "", bindPort: 8080, target: { host: "web", port: 80 } },
    "*:8080:web:80",
  ],
  [
    "[::1]:8080:[2001:db8::1]:80",
    { bindAddress: "::1", bindPort: 8080, target: { host: "2001:db8::1", port: 80 } },
  ],
  [
    "[::1]:8080:[localhost]:80",
    { bindAddress: "::1", bindPort: 8080, target: { host: "localhost", port: 80 } },
    "[::1]:8080:localhost:80",
  ],
  ["8080:/run/web.sock", { bindPort: 8080, target: { path: "/run/web.sock" } }],
  [
    "localhost:8080:/run/web.sock",
    { bindAddress: "localhost", bindPort: 8080, target: { path: "/run/web.sock" } },
  ],
  ["/tmp/in:localhost:80", { bindPath: "/tmp/in", target: { host: "localhost", port: 80 } }],
  ["/tmp/in:[::1]:80", { bindPath: "/tmp/in", target: { host: "::1", port: 80 } }],
  ["/tmp/in:/tmp/out", { bindPath: "/tmp/in", target: { path: "/tmp/out" } }],
  ["/tmp/a\\:b:/tmp/c\\\\d", { bindPath: "/tmp/a:b", target: { path: "/tmp/c\\d" } }],
];

/** The forwarding; undefined where it was refused in the right way. */
function readOrRefuse(text: string): ForwardSpec | undefined {
  try {
    return parseForward(text);
  } catch (error) {
    if (error instanceof SshReverseError && error.code === "ERR_SSH_REVERSE_OPTION")
      return undefined;
    throw error;
  }
}

describe("parseForward", () => {
  const forms = FORMS.map(([text, spec, written = text]) => ({ text, spec, written }));
  it.each(forms)("$text", ({ text, spec, written }) => {
    expect(parseForward(text)).toEqual(spec);
    expect(formatForward(spec)).toBe(written);
  });

  it.each([
    ["1080", /SOCKS .* is not offered; say where it leads: 1080:HOST:PORT/],
    ["127.0.0.1:1080", /SOCKS .* is not offered/],
    ["", /"" is no port/],
    ["x:localhost:80", /"x" is no port: a number from 0 to 65535/],
    ["8080:localhost:0", /"0" is no port: a number from 1 to 65535/],
    ["8080:localhost:ssh", /"ssh" is no port/],
    ["65536:localhost:80", /"65536" is no port/],
    ["8080::80", /host of the target is missing/],
    ["::1:8080:web:80", /too many parts; an IPv6 address stands in \[brackets\]/],
    ["[::1:8080:web:80", /a bracket is not closed/],
    ["8080:a]b:80", /"a]b" is no host/],
    ["a b:8080:web:80", /"a b" is no host/],
    ["[::1]8080:web:80", /a bracket is not closed/],
    ["/run/web.sock:1]/1:80", /"1\]\/1" is no host/],
    ["/run/web.sock::80", /the host of the target is missing/],
    [`8080:/${"x".repeat(107)}`, /at most 107 bytes/],
  ])("%s is refused", (text, why) => {
    expect(() => parseForward(text)).toThrow(why);
    expect(() => parseForward(text)).toThrow(
      expect.objectContaining({ code: "ERR_SSH_REVERSE_OPTION" }),
    );
  });

  it("any text is a forwarding that reads as it is written, or one clear line", () => {
    const text = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom(":", "[", "]", "/", "\\", "*", "1", "22", "a"), { maxLength: 12 }),
    );
    fc.assert(
      fc.property(text, (one) => {
        const written = typeof one === "string" ? one : one.join("");
        const spec = readOrRefuse(written);
        if (spec === undefined) return;
        expect(parseForward(formatForward(spec))).toEqual(spec);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("a port that the mux server tells", () => {
  const target = { host: "localhost", port: 22 };

  it.each([
    ["mux:localhost:22", { bindPort: "mux", target }],
    ["*:mux:localhost:22", { bindAddress: "", bindPort: "mux", target }],
    ["[::1]:mux:localhost:22", { bindAddress: "::1", bindPort: "mux", target }],
    ["mux:/run/in.sock", { bindPort: "mux", target: { path: "/run/in.sock" } }],
  ] as const)("%s", (text, spec) => {
    expect(parseRemoteForward(text)).toEqual(spec);
    expect(formatForward(spec)).toBe(text);
  });

  it("is not meant where a host is called so", () => {
    expect(parseRemoteForward("8080:mux:80")).toEqual(parseForward("8080:mux:80"));
    expect(parseRemoteForward("2:localhost:22")).toEqual({ bindPort: 2, target });
  });

  it("needs a target, and is told as it was written", () => {
    expect(() => parseRemoteForward("mux:22")).toThrow(/^forwarding "mux:22": SOCKS/);
    expect(() => parseRemoteForward("mux:a:b")).toThrow(/^forwarding "mux:a:b": "b" is no port/);
  });
});
