import { traitsOf } from "@dialhome/rsync-protocol";
import { expect, it } from "vitest";
import { deleteTime, withDeleteTime } from "../src/delete-time.ts";

it("is, where it was left open, before the transfer with old protocols, else directory by directory", () => {
  const at = (protocol: number, options: Parameters<typeof deleteTime>[0]) =>
    deleteTime(withDeleteTime(options, traitsOf(protocol)));
  for (const options of [{ delete: true }, { deleteExcluded: true }]) {
    expect([29, 30, 32].map((protocol) => at(protocol, options))).toEqual([
      "before",
      "during",
      "during",
    ]);
  }
  expect(at(29, { delete: "during", deleteExcluded: true })).toBe("during");
  expect(at(29, { delete: "after" })).toBe("after");
  expect(at(29, { delete: false })).toBeUndefined();
});
