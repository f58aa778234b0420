import { expect, it } from "vitest";
import { compareWithReal } from "./support/differential.ts";
import { CASES, FOLLOWING_CASES } from "./support/differential-cases.ts";
import { describeWithPeers } from "./support/peers.ts";

const seed = process.env["DIALHOME_SEED"] ?? "usual";

describeWithPeers(["rsync"], "random trees, pulled as the real rsync pulls them", () => {
  it("by our client, and from our daemon", { timeout: 300_000 }, async () => {
    const failures = await compareWithReal({ seed, entries: 300, changes: 2, cases: CASES });
    expect(failures.join("\n")).toBe("");
  });

  it("where links are followed", { timeout: 240_000 }, async () => {
    const tree = { seed, entries: 200, changes: 1, links: "leading" } as const;
    const failures = await compareWithReal({ ...tree, cases: FOLLOWING_CASES });
    expect(failures.join("\n")).toBe("");
  });
});
