import { parseLine } from "@dialhome/authorized-keys";
import { generateKey } from "@dialhome/ssh-endpoint";
import { describe, expect, it } from "vitest";
import { type BindPolicy, decideBind, portCandidates } from "../../src/server/bind-policy.ts";

const { publicLine } = generateKey();

function decide(
  bindAddress: string,
  bindPort: number,
  policy: BindPolicy = {},
  options = "",
): string {
  const line = parseLine(`${options} ${publicLine}`.trim());
  if (line.is !== "key") throw new Error("no key");
  const decision = decideBind({ bindAddress, bindPort }, line.options, policy);
  if (decision.is === "bind") return `${decision.host} ${decision.port}`;
  return decision.is === "none" ? "none" : "refused";
}

const LOOPBACK = 'permitlisten="localhost:*"';

describe("what may be bound", () => {
  it.each([
    ["localhost", 2213, {}, "", "127.0.0.1 2213"],
    ["localhost", 0, {}, "", "127.0.0.1 0"],
    ["127.9.9.9", 2213, {}, "", "127.9.9.9 2213"],
    ["::1", 2213, {}, "", "::1 2213"],
    ["", 2213, {}, "", "refused"],
    ["*", 2213, {}, "", "refused"],
    ["192.0.2.1", 2213, {}, "", "refused"],
    ["example.org", 2213, {}, "", "refused"],
    ["", 2213, { addresses: "any" }, "", ":: 2213"],
    ["192.0.2.1", 2213, { addresses: "any" }, "", "192.0.2.1 2213"],
    ["example.org", 2213, { addresses: "any" }, "", "refused"],
    ["192.0.2.1", 2213, { addresses: "any" }, LOOPBACK, "refused"],
    ["192.0.2.1", 2213, { addresses: "permitlisten" }, "", "refused"],
    ["192.0.2.1", 2213, { addresses: "permitlisten" }, 'permitlisten="2213"', "refused"],
    [
      "192.0.2.1",
      2213,
      { addresses: "permitlisten" },
      'permitlisten="192.0.2.1:2213"',
      "192.0.2.1 2213",
    ],
    ["localhost", 2213, { addresses: "none" }, "", "none"],
    ["localhost", 80, {}, "", "refused"],
    ["localhost", 1023, {}, "", "refused"],
    ["localhost", 1024, {}, "", "127.0.0.1 1024"],
    ["localhost", 65_535, {}, "", "127.0.0.1 65535"],
    ["localhost", 80, { ports: { min: 80, max: 80 } }, "", "127.0.0.1 80"],
    ["localhost", 81, { ports: { min: 80, max: 80 } }, "", "refused"],
    ["localhost", 2213, {}, "restrict", "refused"],
    ["localhost", 2213, {}, "restrict,port-forwarding", "127.0.0.1 2213"],
    ["localhost", 2213, {}, 'permitlisten="2214"', "refused"],
    ["localhost", 0, {}, 'permitlisten="2214"', "refused"],
  ] as const)("%s:%i with %o and %j: %5$s", (address, port, policy, options, expected) => {
    expect(decide(address, port, policy, options)).toBe(expected);
  });

  it("any port is the system's choice, or one of the range", () => {
    expect(portCandidates({}, () => 0.5)).toEqual([0]);
    expect(portCandidates({ ports: { min: 10, max: 13 } }, () => 0.5)).toEqual([12, 13, 10, 11]);
    expect(portCandidates({ ports: { min: 1_024, max: 65_535 } }, () => 0.999)).toHaveLength(64);
    const isKept = (port: number): boolean => port >= 11 && port <= 12;
    expect(portCandidates({ ports: { min: 10, max: 13 } }, () => 0.5, isKept)).toEqual([13, 10]);
    expect(portCandidates({}, () => 0.5, isKept)).toHaveLength(64);
  });
});
