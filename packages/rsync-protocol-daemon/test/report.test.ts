import { readFileSync } from "node:fs";
import { RsyncError } from "@dialhome/rsync-protocol";
import { expect, test } from "vitest";
import { assertSystemError, describeError } from "../src/report.ts";

function caught(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

test("what the kernel refused is told in its words, with the number", () => {
  const error = caught(() => readFileSync("/nowhere/at/all"));
  expect(describeError(error)).toBe("No such file or directory (2)");
  expect(describeError(new Error("plain words"))).toBe("Plain words");
});

test("only what the kernel refused is passed over", () => {
  const refused = caught(() => readFileSync("/nowhere/at/all"));
  expect(caught(() => assertSystemError(refused))).toBeUndefined();
  // A link may have been swapped in between two looks at it.
  const swapped = new RsyncError("ERR_RSYNC_UNSAFE_PATH", "a link leads out");
  expect(caught(() => assertSystemError(swapped))).toBeUndefined();
  for (const error of [new RsyncError("ERR_RSYNC_LIMIT", "x"), new TypeError("a bug")]) {
    expect(caught(() => assertSystemError(error))).toBe(error);
  }
});
