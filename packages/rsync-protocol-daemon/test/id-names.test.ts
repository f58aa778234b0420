import { expect, test } from "vitest";
import { parseIdNames, SystemIdNames } from "../src/id-names.ts";

test("names are read from the lines that have one, the first line of an id first", () => {
  const text =
    "root:x:0:0::/root:/bin/sh\n# comment\n\nbroken\nx:y:notanumber\ntoor:x:0:0\n:x:5:\nb:x:7:";
  expect([...parseIdNames(text)]).toEqual([
    [0, "root"],
    [7, "b"],
  ]);
});

test("the system's own names are there", () => {
  const names = new SystemIdNames();
  expect(names.userName(0)).toBe("root");
  expect(names.groupName(0)).toBe("root");
  expect(names.userName(0x7fff_fff0)).toBeUndefined();
});
