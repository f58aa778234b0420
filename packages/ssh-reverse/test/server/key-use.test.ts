import { expect, it } from "vitest";
import { KeyUse } from "../../src/server/key-use.ts";

it("counts by key, says no at the bound, and forgets keys that use nothing", () => {
  const use = new KeyUse({ channels: 2 });
  const leave = [use.enter("a", "channels"), use.enter("a", "channels")];
  expect(use.enter("a", "channels")).toBeUndefined();
  expect(use.enter("b", "channels")).toBeDefined();
  leave[0]?.();
  leave[0]?.(); // twice counts once
  expect(use.enter("a", "channels")).toBeDefined();
  expect(use.enter("a", "channels")).toBeUndefined();
  leave[1]?.();
  expect(use.size).toBe(2);
  const only = new KeyUse({});
  only.enter("c", "forwards")?.();
  expect(only.size).toBe(0);
  expect(only.rates("c")).toBeUndefined();
});
