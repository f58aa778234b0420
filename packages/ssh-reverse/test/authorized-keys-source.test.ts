import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openAuthorizedKeys } from "../src/authorized-keys-source.ts";

describe("openAuthorizedKeys", () => {
  it("reads a file anew each time, and parses it only when it changed", async () => {
    const folder = await mkdtemp(join(tmpdir(), "dialhome-keys-"));
    try {
      const path = join(folder, "authorized_keys");
      const read = openAuthorizedKeys({ path });
      await expect(read()).rejects.toMatchObject({ code: "ERR_SSH_REVERSE_AUTHORIZED_KEYS" });
      await writeFile(path, "# one\n");
      const first = await read();
      expect(first.lines).toHaveLength(1);
      expect(await read()).toBe(first);
      await writeFile(path, "# one\n# two\n");
      expect((await read()).lines).toHaveLength(2);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("takes a text as it is", async () => {
    expect((await openAuthorizedKeys({ text: "# a\n# b\n" })()).lines).toHaveLength(2);
  });
});
