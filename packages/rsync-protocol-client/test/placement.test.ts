import { describe, expect, it } from "vitest";
import { temporaryName } from "../src/placement.ts";

describe("temporaryName", () => {
  it("fits where the name fits", () => {
    expect(temporaryName("d/file", "abc123")).toBe(".file.abc123");
    expect(temporaryName("n".repeat(255), "abc123").length).toBeLessThanOrEqual(255);
  });
});
