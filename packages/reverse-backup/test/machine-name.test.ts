import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { assert, property, string } from "fast-check";
import { expect, test } from "vitest";
import { asName, machineName } from "../src/device/machine-name.ts";
import { validateName } from "../src/store/machine-name.ts";

test.each([
  ["  SN/12 34\n", "SN_12_34"],
  ["..hidden", "_hidden"],
  ["a:b<c>d*e", "a-_b(c)d+e"],
  ['x|y!z"?', "x-y-z-_"],
  ["it's", "its"],
  ["'.(", "_("],
  ["ends...", "ends_"],
])("%j becomes %j", (text, name) => {
  expect(asName(text)).toBe(name);
});

test("any text becomes a name that a store takes, if anything is left of it", () => {
  assert(
    property(string({ unit: "grapheme", maxLength: 40 }), (text) => {
      const name = asName(text);
      // What no terminal shows is the store's to refuse.
      if (name === "" || /[\p{Cf}\p{Co}\p{Cs}]/u.test(name)) return;
      expect(() => validateName(name)).not.toThrow();
    }),
  );
});

test("a name comes from where it is said to", async () => {
  const folder = await mkdtemp(join(tmpdir(), "dialhome-test-"));
  const file = join(folder, "serial");
  await writeFile(file, " board 7/a \n");
  expect(await machineName({ is: "given", name: "x" })).toBe("x");
  expect(await machineName({ is: "file", path: file })).toBe("board_7_a");
  expect(await machineName({ is: "hostname" })).toBe(hostname());
  await writeFile(file, "\n");
  await expect(machineName({ is: "file", path: file })).rejects.toMatchObject({
    code: "ERR_BACKUP_OPTION",
  });
  await rm(folder, { recursive: true });
  await expect(machineName({ is: "file", path: file })).rejects.toThrow(/ENOENT/);
});
