import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readSecret, readSecrets } from "../../src/mux/secrets.ts";
import { memoryIo } from "../support/memory-io.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mux-secrets-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const io = (env = {}): ReturnType<typeof memoryIo> => memoryIo({ cwd: folder, env });
const ENV = { DIALHOME_MUX_SECRET: "of the environment" };

test("-s counts before the environment, a file too; a file has one secret a line", () => {
  writeFileSync(join(folder, "secrets"), "new\r\n\nold\n", { mode: 0o600 });
  expect(readSecrets({ authSecret: ["a", "b"] }, io(ENV))).toEqual(["a", "b"]);
  expect(readSecrets({ secretFile: "secrets" }, io(ENV))).toEqual(["new", "old"]);
  expect(readSecrets({}, io(ENV))).toEqual(["of the environment"]);
  expect(readSecret({ authSecret: ["a"] }, io())).toBe("a");
});

test("none, both, a second one of a device, and a file that others can read are refused", () => {
  const path = join(folder, "secrets");
  writeFileSync(path, "secret\n", { mode: 0o600 });
  expect(() => readSecrets({}, io())).toThrow(/the secret is missing/);
  expect(() => readSecrets({ authSecret: [""] }, io())).toThrow(/the secret is missing/);
  expect(() => readSecrets({ authSecret: ["a"], secretFile: path }, io())).toThrow(/only one of/);
  expect(() => readSecret({ authSecret: ["a", "b"] }, io())).toThrow(/a device has one secret/);
  expect(() => readSecrets({ secretFile: "none" }, io())).toThrow(/cannot open .*none"/);
  chmodSync(path, 0o640);
  expect(() => readSecrets({ secretFile: path }, io())).toThrow(/others can get at the secret/);
  writeFileSync(path, "\n");
  chmodSync(path, 0o600);
  expect(() => readSecrets({ secretFile: path }, io())).toThrow(/there is no secret in/);
});
