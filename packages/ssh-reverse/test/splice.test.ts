import { once } from "node:events";
import { Duplex } from "node:stream";
import { describe, expect, it } from "vitest";
import { splice } from "../src/splice.ts";

/** Two ends of a pipe, of which the test holds one. */
function pair(): [Duplex, Duplex] {
  const ends: Duplex[] = [];
  const make = (other: number): Duplex =>
    new Duplex({
      allowHalfOpen: true,
      read: () => {},
      write: (chunk, _encoding, done) => {
        ends[other]?.push(chunk);
        done();
      },
      final: (done) => {
        ends[other]?.push(null);
        done();
      },
    });
  const a = make(1);
  const b = make(0);
  ends.push(a, b);
  return [a, b];
}

describe("splice", () => {
  it("passes the end of one direction on and keeps the other", async () => {
    const [left, a] = pair();
    const [right, b] = pair();
    const over = splice(a, b);
    const ended = once(right, "end");
    left.end("question");
    const [question] = await once(right, "data");
    expect(String(question)).toBe("question");
    await ended;
    right.end("answer");
    const [answer] = await once(left, "data");
    expect(String(answer)).toBe("answer");
    left.resume();
    await over;
    expect([a.destroyed, b.destroyed]).toEqual([true, true]);
  });

  it("an error of one destroys both, and is told", async () => {
    const [, a] = pair();
    const [, b] = pair();
    const over = splice(a, b);
    a.destroy(new Error("broken"));
    await expect(over).rejects.toThrow("broken");
    expect(b.destroyed).toBe(true);
  });
});
