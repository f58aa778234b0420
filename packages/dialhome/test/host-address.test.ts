import { expect, test } from "vitest";
import { formatAddress, parseHostAddress, parseListenAddress } from "../src/host-address.ts";

test.each([
  ["host", { user: undefined, host: "host", port: undefined }],
  ["me@host", { user: "me", host: "host", port: undefined }],
  ["host:2222", { user: undefined, host: "host", port: 2222 }],
  ["me@host.example:2222", { user: "me", host: "host.example", port: 2222 }],
  ["me@corp@host", { user: "me@corp", host: "host", port: undefined }],
  ["[2001:db8::1]:22", { user: undefined, host: "2001:db8::1", port: 22 }],
  ["[2001:db8::1]", { user: undefined, host: "2001:db8::1", port: undefined }],
  ["me@2001:db8::1", { user: "me", host: "2001:db8::1", port: undefined }],
  ["fe80::1%eth0", { user: undefined, host: "fe80::1%eth0", port: undefined }],
])("a host can be written as %s", (text, expected) => {
  expect(parseHostAddress(text)).toEqual(expected);
});

test.each([
  "",
  "@host",
  "host:",
  "abc:",
  "abc:x",
  "host:x",
  "host:0",
  "host:65536",
  "a b",
  "[::1",
  "me@",
])("%j is no host", (text) => {
  expect(() => parseHostAddress(text)).toThrow(
    expect.objectContaining({ code: "ERR_DIALHOME_USAGE", exitCode: 2 }),
  );
});

test.each([
  ["2222", { host: undefined, port: 2222 }],
  [":2222", { host: undefined, port: 2222 }],
  ["*:2222", { host: undefined, port: 2222 }],
  ["127.0.0.1:0", { host: "127.0.0.1", port: 0 }],
  ["[::1]:2222", { host: "::1", port: 2222 }],
])("a server listens on %s", (text, expected) => {
  expect(parseListenAddress(text)).toEqual(expected);
});

test.each(["", "host", "host:", "host:70000", "::1:22", "[::1]"])(
  "%j is nowhere to listen",
  (text) => {
    expect(() => parseListenAddress(text)).toThrow(
      expect.objectContaining({ code: "ERR_DIALHOME_USAGE" }),
    );
  },
);

test("an address is written so that it can be read again", () => {
  expect(formatAddress("127.0.0.1", 22)).toBe("127.0.0.1:22");
  expect(formatAddress("::1", 22)).toBe("[::1]:22");
});
