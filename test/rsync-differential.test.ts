import { expect, it } from "vitest";
import { compareWithReal } from "./support/differential.ts";
import { CASES } from "./support/differential-cases.ts";
import { describeWithPeers } from "./support/peers.ts";

describeWithPeers(["rsync"], "random trees, pulled as the real rsync pulls them", () => {
  it("by our client, and from our daemon", { timeout: 240_000 }, async () => {
    const failures = await compareWithReal({
      seed: process.env["DIALHOME_SEED"] ?? "usual",
      entries: 300,
      changes: 2,
      cases: CASES,
    });
    expect(failures.join("\n")).toBe("");
  });
});
