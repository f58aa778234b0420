import { expect, test } from "vitest";
import { parseOperands } from "../../src/rsync/source.ts";

const plain = { is: "daemon", user: undefined, host: "h", port: 873, module: "m", paths: [""] };

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
  expect(parseOperands(["h::m"], 8873).source).toMatchObject({ port: 8873 });
  expect(parseOperands(["rsync://h:1/m"], 8873).source).toMatchObject({ port: 1 });
});

test("several sources of one module, and a destination", () => {
  expect(parseOperands(["h::m/a", "::m/b", "h::m/c", "there"], undefined)).toEqual({
    source: { ...plain, paths: ["a", "b", "c"] },
    destination: "there",
  });
});

const shell = { is: "shell", user: undefined, host: "h", paths: [""] };

test.each([
  [["h:"], shell],
  [["h:/a/b"], { ...shell, paths: ["/a/b"] }],
  [["me@h:a:b"], { ...shell, user: "me", paths: ["a:b"] }],
  [["me@there@h:x"], { ...shell, user: "me@there", paths: ["x"] }],
  [["[::1]:x"], { ...shell, host: "::1", paths: ["x"] }],
  [["h:a", ":b", "h:c", "d"], { ...shell, paths: ["a", "b", "c"] }],
  [["/local"], { is: "local", paths: ["/local"] }],
  [["./a:b", "c", "d"], { is: "local", paths: ["./a:b", "c"] }],
])("%j is behind a remote shell, or here", (operands, source) => {
  expect(parseOperands(operands, undefined).source).toEqual(source);
});

test.each([
  [[], 1, /no source/],
  [["", "d"], 1, /empty source/],
  [["h:a", "b", "d"], 1, /unexpected local source "b"/],
  [["h:a", "g:b", "d"], 1, /not of the same machine/],
  [["h:a", "me@h:b", "d"], 1, /not of the same machine/],
  [["h:a", "h::b", "d"], 1, /not of the same kind/],
  [["-h:a", "d"], 1, /does not start with '-'/],
  [[":a", "d"], 1, /names no host/],
  [["rsync://h:0/m"], 1, /a port is a number/],
  [["::m"], 1, /names no host/],
  [["h::m", "other::m", "d"], 1, /not of the same daemon/],
  [["h::m", "::n", "d"], 1, /not of the same daemon/],
  [["/local", "h::m"], 4, /pulls only/],
  [["h::m", "rsync://h/m"], 1, /cannot both be remote/],
  [["/local", "h:x"], 4, /pulls only/],
])("%j is refused with exit code %d", (operands, exitCode, message) => {
  expect(() => parseOperands(operands, undefined)).toThrow(
    expect.objectContaining({ exitCode, message: expect.stringMatching(message) }),
  );
});
