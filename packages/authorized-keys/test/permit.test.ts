import { isListenPermitted, type KeyOptions, parseOptions } from "@dialhome/authorized-keys";
import { describe, expect, it } from "vitest";

function options(text: string): KeyOptions {
  const parsed = parseOptions(text);
  if ("reason" in parsed) throw new Error(parsed.reason);
  return parsed;
}

describe("isListenPermitted", () => {
  it.each([
    ["", "localhost", 22, true],
    ["no-port-forwarding", "localhost", 22, false],
    ["restrict", "localhost", 22, false],
    ["restrict,port-forwarding", "localhost", 22, true],
    ['restrict,permitlisten="22"', "localhost", 22, false],
    ['permitlisten="22"', "anything", 22, true],
    ['permitlisten=" +22"', "anything", 22, true],
    ['permitlisten="22"', "anything", 23, false],
    ['permitlisten="localhost:22"', "localhost", 22, true],
    ['permitlisten="localhost:22"', "0.0.0.0", 22, false],
    ['permitlisten="localhost:*"', "LOCALHOST", 0, true],
    ['permitlisten="10.0.0.*:22"', "10.0.0.7", 22, true],
    ['permitlisten="22"', "localhost", 0, false],
    ['permitlisten="1",permitlisten="22"', "localhost", 22, true],
    ['permitopen="localhost:1"', "localhost", 22, true],
  ])("%s: %s port %i: %s", (text, host, port, isPermitted) => {
    expect(isListenPermitted(options(text), host, port)).toBe(isPermitted);
  });
});
