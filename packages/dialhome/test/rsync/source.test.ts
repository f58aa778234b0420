import { expect, test } from "vitest";
import { parseOperands } from "../../src/rsync/source.ts";

const plain = { user: undefined, host: "h", port: 873, module: "m", paths: [""] };

test.each([
  ["rsync://h/m", plain],
  ["rsync://h/m/", plain],
  ["RSYNC://h/m", plain],
  ["rsync://me@h:8873/m/a/b", { ...plain, user: "me", port: 8873, paths: ["a/b"] }],
  ["rsync://[::1]:8873/m", { ...plain, host: "::1", port: 8873 }],
  ["rsync://h/", { ...plain, module: "" }],
  ["rsync://h", { ...plain, module: "" }],
  ["h::m", plain],
  ["me@h::m/a/", { ...plain, user: "me", paths: ["a/"] }],
  ["[::1]::m", { ...plain, host: "::1" }],
  ["h::", { ...plain, module: "" }],
  ["h::m/grün", { ...plain, paths: [Buffer.from("grün").toString("latin1")] }],
])("a source can be written as %s", (text, source) => {
  expect(parseOperands([text], undefined)).toEqual({ source, destination: undefined });
});

test("--port counts where the source names none", () => {
  expect(parseOperands(["h::m"], 8873).source.port).toBe(8873);
  expect(parseOperands(["rsync://h:1/m"], 8873).source.port).toBe(1);
});

test("several sources of one module, and a destination", () => {
  expect(parseOperands(["h::m/a", "::m/b", "h::m/c", "there"], undefined)).toEqual({
    source: { ...plain, paths: ["a", "b", "c"] },
    destination: "there",
  });
});

test.each([
  [[], 1, /no source/],
  [["/local"], 1, /is no source/],
  [["/local", "/other"], 1, /is no source/],
  [["rsync://h:0/m"], 1, /a port is a number/],
  [["::m"], 1, /names no host/],
  [["h::m", "other::m", "d"], 1, /not of the same daemon/],
  [["h::m", "::n", "d"], 1, /not of the same daemon/],
  [["h:/path", "d"], 4, /not remote shells/],
  [["/local", "h::m"], 4, /pulls only/],
  [["h::m", "rsync://h/m"], 4, /pulls only/],
])("%j is refused with exit code %d", (operands, exitCode, message) => {
  expect(() => parseOperands(operands, undefined)).toThrow(
    expect.objectContaining({ exitCode, message: expect.stringMatching(message) }),
  );
});
