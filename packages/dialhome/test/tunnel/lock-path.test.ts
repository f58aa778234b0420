import { expect, it } from "vitest";
import type { HostAddress } from "../../src/host-address.ts";
import { parseForwardings } from "../../src/tunnel/forwardings.ts";
import { tunnelLockPath } from "../../src/tunnel/lock-path.ts";

const GATE: HostAddress = { user: "me", host: "gate", port: undefined };
const env = { HOME: "/home/me" };

function pathOf(address: HostAddress, R: readonly string[], L: readonly string[] = []): string {
  return tunnelLockPath(address, parseForwardings({ R, L }), { env });
}

it("is one for each destination and set of forwardings", () => {
  const one = pathOf(GATE, ["1:a:2", "3:b:4"]);
  expect(one).toMatch(/^\/home\/me\/\.local\/state\/dialhome\/locks\/tunnel-[0-9a-f]{32}$/);
  expect(pathOf(GATE, ["3:b:4", "1:a:2"])).toBe(one);
  expect(pathOf({ ...GATE, host: "GATE" }, ["1:a:2", "3:b:4"])).toBe(one);
  const others = [
    pathOf(GATE, ["1:a:2"]),
    pathOf(GATE, ["1:a:2"], ["3:b:4"]),
    pathOf({ ...GATE, user: "you" }, ["1:a:2", "3:b:4"]),
    pathOf({ ...GATE, host: "other" }, ["1:a:2", "3:b:4"]),
    pathOf({ ...GATE, port: 2222 }, ["1:a:2", "3:b:4"]),
  ];
  expect(new Set([one, ...others]).size).toBe(6);
});

it("lies where XDG_STATE_HOME says", () => {
  const io = { env: { ...env, XDG_STATE_HOME: "/state" } };
  expect(tunnelLockPath(GATE, parseForwardings({}), io)).toMatch(/^\/state\/dialhome\/locks\//);
});
