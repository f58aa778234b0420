import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateKey, readKeyFile } from "@dialhome/ssh-endpoint";
import { afterAll, beforeAll, expect, it } from "vitest";

const key = generateKey();
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "dialhome-key-file-"));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function keyFile(mode: number, text: string = key.privateKey): string {
  const path = join(folder, "key");
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

it.each([0o600, 0o400, 0o700])("a private key of mode %o is its user's alone", async (mode) => {
  expect(await readKeyFile(keyFile(mode))).toEqual({ text: key.privateKey, exposed: undefined });
});

it.each([
  [0o640, "0640"],
  [0o604, "0604"],
  [0o620, "0620"],
  [0o601, "0601"],
  [0o644, "0644"],
])("one of mode %o is exposed", async (mode, written) => {
  const path = keyFile(mode);
  const { exposed } = await readKeyFile(path);
  expect(exposed).toBe(
    `${path}: mode ${written} is too open for a private key: it is not used until it is 0600`,
  );
});

it("a public key may be read by all", async () => {
  expect((await readKeyFile(keyFile(0o644, key.publicLine))).exposed).toBeUndefined();
});

it.runIf(process.getuid?.() === 0)("another user's key is that user's business", async () => {
  const path = keyFile(0o644);
  chownSync(path, 12_345, 12_345);
  expect((await readKeyFile(path)).exposed).toBeUndefined();
});
