import { expect, test } from "vitest";
import { ProgressLines } from "../../src/rsync/progress.ts";

test("a file's line is first nothing, then at most one a second, then all", () => {
  let now = 5_000;
  const lines = new ProgressLines(1, () => now);
  expect(lines.update(0, 4096)).toBe("\r              0   0%    0.00kB/s    0:00:00  ");
  now += 500;
  expect(lines.update(1024, 4096)).toBeUndefined();
  now += 500;
  expect(lines.update(2048, 4096)).toBe("\r          2,048  50%    2.00kB/s    0:00:01  ");
  now += 1_000;
  expect(lines.finishFile(4096, "xfr#1, to-chk=0/1")).toBe(
    "\r          4,096 100%    2.00kB/s    0:00:02 (xfr#1, to-chk=0/1)\n",
  );
  expect(lines.finishFile(0, "x")).toBe("\r              0 100%    0.00kB/s    0:00:00 (x)\n");
});

test("the line of all covers a longer one before it", () => {
  let now = 0;
  const lines = new ProgressLines(2, () => now);
  lines.update(0, 3_000_000_000);
  now = 1_000;
  const first = lines.total(2_000_000_000, 3_000_000_000, "xfr#10, to-chk=10/20");
  expect(first).toBe("\r          2.00G  66%    1.86GB/s    0:00:01 (xfr#10, to-chk=10/20)");
  expect(lines.total(3_000_000_000, 3_000_000_000, "xfr#11, to-chk=0/2")).toHaveLength(
    first.length,
  );
});
