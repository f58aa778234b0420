import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Link, type LinkContext, type LinkEvent, nextLink, START } from "../src/link.ts";

const lost = new Error("lost");
const at = (now: number, random = 0.5): LinkContext => ({
  options: { minDelayMs: 1_000, maxDelayMs: 8_000, steadyAfterMs: 60_000 },
  now,
  random: () => random,
});

/** Applies events, each at its time. */
function run(...steps: readonly (readonly [number, LinkEvent])[]): Link {
  return steps.reduce((link, [now, event]) => nextLink(link, event, at(now)), START);
}

const LOST: LinkEvent = { is: "lost", error: lost, isFinal: false };
const UP: LinkEvent = { is: "connected", ports: [22], localPorts: [] };
const WOKEN: LinkEvent = { is: "woken" };

describe("nextLink", () => {
  it("waits longer after each failure", () => {
    const delays = [1, 2, 3, 4, 5].map((failures) => {
      const events = Array.from({ length: failures }, () => [
        [0, LOST] as const,
        [0, WOKEN] as const,
      ])
        .flat()
        .slice(0, -1);
      const { state } = run(...events);
      return state.is === "waiting" ? state.delayMs : undefined;
    });
    expect(delays).toEqual([500, 1_000, 2_000, 4_000, 4_000]);
  });

  it("tries again at once after a long healthy run, and begins anew", () => {
    const { state, failures } = run(
      [0, LOST],
      [0, WOKEN],
      [0, LOST],
      [0, WOKEN],
      [1_000, UP],
      [61_000, LOST],
    );
    expect(state).toMatchObject({ is: "waiting", delayMs: 0, retryAt: 61_000, tries: 1 });
    expect(failures).toBe(1);
  });

  it("a link that fell at once proves nothing: the pauses go on growing", () => {
    const { state } = run([0, LOST], [0, WOKEN], [0, UP], [10, LOST]);
    expect(state).toMatchObject({ is: "waiting", delayMs: 1_000, tries: 2 });
  });

  it("ends for good on what no other try can help, and stays there", () => {
    const failed = run([0, { is: "lost", error: lost, isFinal: true }]);
    expect(failed.state).toEqual({ is: "failed", error: lost });
    expect(nextLink(failed, UP, at(1))).toBe(failed);
    expect(nextLink(failed, { is: "stopped" }, at(1))).toBe(failed);
  });

  it("is closed by its owner from any state", () => {
    for (const before of [START, run([0, UP]), run([0, LOST])]) {
      expect(nextLink(before, { is: "stopped" }, at(0)).state).toEqual({ is: "closed" });
    }
  });

  it("whatever happens: a pause within the bounds, and no way back from the end", () => {
    const event = fc.constantFrom<LinkEvent>(
      LOST,
      UP,
      WOKEN,
      { is: "stopped" },
      { is: "lost", error: lost, isFinal: true },
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(200_000), event)), (steps) => {
        let link = START;
        let now = 0;
        for (const [after, one] of steps) {
          now += after;
          const next = nextLink(link, one, at(now));
          const isOver = link.state.is === "failed" || link.state.is === "closed";
          expect(isOver && next !== link).toBe(false);
          expect(next.state.is === "waiting" ? next.state.delayMs : 0).toBeLessThanOrEqual(8_000);
          link = next;
        }
      }),
    );
  });
});
