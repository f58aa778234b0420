import { expect, test } from "vitest";
import { REGISTRY } from "../src/constants.ts";
import {
  assertAllocationRequest,
  assertIdentityName,
  assertReservation,
  keptText,
} from "../src/registry.ts";

const RANGE = { from: 1, to: 65_535 };
const wrong = expect.objectContaining({ code: "ERR_MUX_OPTION" });

test("an identity is printable, without blanks, and not too long", () => {
  expect(() => assertIdentityName("0a".repeat(16))).not.toThrow();
  expect(() => assertIdentityName("x".repeat(REGISTRY.identityMost))).not.toThrow();
  for (const name of ["", "a b", "a\n", "ä", "a\0", "x".repeat(REGISTRY.identityMost + 1)]) {
    expect(() => assertIdentityName(name)).toThrow(wrong);
  }
});

test("as many forwardings as the protocol has", () => {
  const ask = (forwardings: number) => () =>
    assertAllocationRequest({ identity: "a", forwardings, range: RANGE, now: 0 });
  for (const count of [1, REGISTRY.forwardingsMost]) expect(ask(count)).not.toThrow();
  for (const count of [0, 1.5, -1, REGISTRY.forwardingsMost + 1]) expect(ask(count)).toThrow(wrong);
});

test.each([
  [0, 5],
  [5, 65_536],
  [6, 5],
  [1.5, 5],
])("%d to %d is no range", (from, to) => {
  const request = { identity: "a", forwardings: 1, range: { from, to }, now: 0 };
  expect(() => assertAllocationRequest(request)).toThrow(wrong);
});

test("a reservation is of a port and a forwarding", () => {
  const reserve = (port: number, forwarding?: number) => () =>
    assertReservation({
      identity: "a",
      port,
      now: 0,
      ...(forwarding === undefined ? {} : { forwarding }),
    });
  expect(reserve(65_535)).not.toThrow();
  expect(reserve(1, REGISTRY.forwardingsMost - 1)).not.toThrow();
  for (const port of [0, 65_536, 1.5]) expect(reserve(port)).toThrow(wrong);
  for (const forwarding of [-1, 0.5, REGISTRY.forwardingsMost]) {
    expect(reserve(1, forwarding)).toThrow(wrong);
  }
});

test("what comes from elsewhere is kept short and harmless", () => {
  expect(keptText("exit 0")).toBe("exit 0");
  expect(keptText("\u001b[2Jä\n")).toBe("?[2J??");
  expect(keptText("x".repeat(1_000))).toHaveLength(REGISTRY.textMost);
});
