import { expect, test } from "vitest";
import { TAG, traitsOf } from "../src/index.ts";

test("what changed with which protocol", () => {
  for (const protocol of [27, 30, 31, 32]) {
    const { tellsErrorExit, namesBesideFrames, hasNanoseconds } = traitsOf(protocol);
    const isNew = protocol >= 31;
    expect([tellsErrorExit, namesBesideFrames, hasNanoseconds]).toEqual([isNew, !isNew, isNew]);
  }
  const facts = (protocol: number): unknown[] => {
    const { morePhases, tellsUnsent, framesBothWays, answersGoodbye, argumentEnd } =
      traitsOf(protocol);
    return [morePhases, tellsUnsent, framesBothWays, answersGoodbye, argumentEnd];
  };
  expect(facts(27)).toEqual([1, false, false, false, "\n"]);
  expect(facts(28)).toEqual(facts(27));
  expect(facts(29)).toEqual([2, false, false, false, "\n"]);
  expect(facts(30)).toEqual([2, true, true, false, "\0"]);
  expect(facts(31)).toEqual([2, true, true, true, "\0"]);
  expect(facts(32)).toEqual(facts(31));
});

test("texts are told with the tags that were there", () => {
  const tags = [TAG.ERROR_XFER, TAG.INFO, TAG.ERROR, TAG.WARNING];
  expect(tags.map(traitsOf(29).textTag)).toEqual([1, 2, 1, 2]);
  expect(tags.map(traitsOf(30).textTag)).toEqual(tags);
});
