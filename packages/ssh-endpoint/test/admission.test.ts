import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Admission, sourceOf } from "../src/admission.ts";

const LIMITS = {
  startups: { start: 10, rate: 0.3, full: 20 },
  startupsPerSource: 100,
  connectionsPerSource: 100,
  connections: 1000,
};

/** An admission with some connections starting; `random` is what the next one throws. */
function fill(count: number, random: number): Admission {
  let thrown = 1;
  const admission = new Admission(LIMITS, () => thrown);
  for (let n = 0; n < count; n++) admission.enter(`10.0.0.${n}`);
  thrown = random;
  return admission;
}

describe("Admission", () => {
  it("drops some from the start, and all when full", () => {
    expect(typeof fill(9, 0).enter("x")).toBe("object");
    // Half way from 10 to 20 the chance is half way from 0.3 to 1.
    for (const [starting, chance] of [
      [10, 0.3],
      [15, 0.65],
      [19, 0.93],
    ] as const) {
      expect(fill(starting, chance - 0.01).enter("x")).toBe("startups");
      expect(typeof fill(starting, chance + 0.01).enter("x")).toBe("object");
    }
    expect(fill(20, 0.999).enter("x")).toBe("startups");
  });

  it("counts per source, and forgets who left", () => {
    const admission = new Admission({ ...LIMITS, startupsPerSource: 2, connectionsPerSource: 3 });
    const first = admission.enter("192.0.2.1");
    admission.enter("192.0.2.1");
    expect(admission.enter("192.0.2.1")).toBe("startups-per-source");
    expect(typeof admission.enter("192.0.2.2")).toBe("object");
    if (typeof first === "string") throw new Error(first);
    first.loggedIn();
    first.loggedIn();
    expect(typeof admission.enter("192.0.2.1")).toBe("object");
    expect(admission.enter("192.0.2.1")).toBe("connections-per-source");
    first.leave();
    first.leave();
    expect(admission.enter("192.0.2.1")).toBe("startups-per-source");
  });

  it("whatever comes and goes: the numbers add up and nothing stays behind", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat(2))), (steps) => {
        const admission = new Admission({ ...LIMITS, connections: 5 }, () => 1);
        const here: { loggedIn(): void; leave(): void }[] = [];
        let isRight = true;
        for (const [source, what] of steps) {
          const one = here[source];
          if (what === 0 || one === undefined) {
            const entered = admission.enter(`10.0.0.${source}`);
            isRight &&= (typeof entered === "object") === here.length < 5;
            if (typeof entered === "object") here.push(entered);
          } else if (what === 1) {
            one.loggedIn();
          } else {
            here.splice(source, 1)[0]?.leave();
          }
          isRight &&= admission.starting <= here.length;
        }
        for (const one of here) one.leave();
        expect(isRight).toBe(true);
        expect(admission.starting).toBe(0);
      }),
    );
  });
});

describe("sourceOf", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8::6", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ])("%s is %s", (address, source) => {
    expect(sourceOf(address)).toBe(source);
  });
});
