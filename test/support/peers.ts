import { describe, it } from "vitest";
import type { Peer } from "../../scripts/peers.mjs";
import { findProgram, installLine, missingPeers } from "../../scripts/peers.mjs";
import { LEFT_OUT } from "./left-out.ts";

/** What a suite may need: a program of the table in `scripts/peers.mjs`, or the privilege. */
export type Need = Peer | "root";

const isRoot = (): boolean => process.getuid?.() === 0;

/** The path of a real peer, or undefined where this machine does not have it. */
export function peer(name: Peer): string | undefined {
  return findProgram(name);
}

/** The path of a real peer, inside a suite that was opened with {@link describeWithPeers}. */
export function requirePeer(name: Peer): string {
  const path = peer(name);
  if (path === undefined) throw new Error(`${name} is missing: ${installLine([name])}`);
  return path;
}

/** What is missing of the names given, and what would bring it in; undefined when all is there. */
function lacking(names: readonly Need[]): string | undefined {
  const missing = missingPeers(names.filter((name) => name !== "root"));
  const ways: string[] = [];
  if (missing.length > 0) ways.push(`needs ${missing.join(", ")}: ${installLine(missing)}`);
  if (names.includes("root") && !isRoot()) ways.push("needs root: run npm test as root");
  return ways.length === 0 ? undefined : ways.join("; ");
}

/**
 * A suite that talks to real programs (and `"root"`, where it needs that). When one is missing the suite is skipped
 * under a title that says so, with the line that would bring it in; when `CI=true` it fails instead.
 * `suite` is not called at all when something is missing.
 */
export function describeWithPeers(names: readonly Need[], title: string, suite: () => void): void {
  const lack = lacking(names);
  if (lack === undefined) {
    describe(title, suite);
    return;
  }
  if (process.env["CI"] === "true") {
    describe(title, () => {
      it("has its peers", () => {
        throw new Error(`under CI a missing peer is a failure: ${lack}`);
      });
    });
    return;
  }
  describe.skip(`${title} ${LEFT_OUT}${lack}]`, () => {
    it("runs where its peers are", () => {});
  });
}
