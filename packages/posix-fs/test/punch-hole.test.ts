import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { expect, it } from "vitest";
import { punchHole } from "../src/index.ts";

it("leaves zeros that take no room, and the size", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "dialhome-hole-"));
  const file = path.join(folder, "file");
  fs.writeFileSync(file, Buffer.alloc(1_000_000, "x"));
  const fd = fs.openSync(file, "r+");
  try {
    const before = fs.fstatSync(fd).blocks;
    expect(punchHole(fd, 8_192, 900_000)).toBe(true);
    const after = fs.fstatSync(fd);
    expect(after.size).toBe(1_000_000);
    expect(after.blocks).toBeLessThan(before / 2);
    const content = fs.readFileSync(file);
    expect(content.subarray(0, 8_192).every((byte) => byte === 0x78)).toBe(true);
    expect(content.subarray(8_192, 908_192).every((byte) => byte === 0)).toBe(true);
    expect(content.subarray(908_192).every((byte) => byte === 0x78)).toBe(true);
  } finally {
    fs.closeSync(fd);
    fs.rmSync(folder, { recursive: true });
  }
});

it("says that nothing was changed where that cannot be", () => {
  const fd = fs.openSync("/dev/null", "r+");
  try {
    expect(punchHole(fd, 0, 100)).toBe(false);
  } finally {
    fs.closeSync(fd);
  }
});
