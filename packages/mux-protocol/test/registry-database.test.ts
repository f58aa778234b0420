import { mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import Libsql from "libsql";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openLibsqlRegistry } from "../src/libsql-registry.ts";
import type { Registry } from "../src/registry.ts";
import { APPLICATION_ID, SCHEMA_VERSION } from "../src/registry-schema.ts";
import { type RegistryFolder, registryFolder } from "./support/registry-folder.ts";

let folder: RegistryFolder;

beforeEach(() => {
  folder = registryFolder();
});

afterEach(() => {
  folder[Symbol.dispose]();
});

const RANGE = { from: 22_000, to: 22_999 };

async function fill(registry: Registry, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, n) => `device-${n}`);
  await Promise.all(
    names.map((identity) => registry.allocate({ identity, forwardings: 1, range: RANGE, now: 0 })),
  );
}

/** Does something with the file by SQLite itself. */
function bySqlite(sql: string, path: string = folder.path): void {
  const database = new Libsql(path);
  database.exec(sql);
  database.close();
}

/** That it cannot be opened, why, and that the file stays as it was. */
async function expectRefused(message: RegExp, create = true): Promise<void> {
  const before = readFileSync(folder.path);
  const opening = openLibsqlRegistry({ path: folder.path, create });
  await expect(opening).rejects.toMatchObject({
    code: "ERR_MUX_REGISTRY",
    message: expect.stringMatching(message),
  });
  await expect(opening).rejects.not.toMatchObject({ message: expect.stringContaining("\n") });
  expect(readFileSync(folder.path).equals(before)).toBe(true);
}

test("it is made only when that is wanted, and its owner alone can read it", async () => {
  await expect(openLibsqlRegistry({ path: folder.path })).rejects.toMatchObject({
    code: "ERR_MUX_REGISTRY",
    message: expect.stringMatching(/^cannot open the registry: ENOENT/),
  });
  await using registry = await folder.open();
  await fill(registry, 1);
  for (const end of ["", "-wal", "-shm"]) {
    expect(statSync(`${folder.path}${end}`).mode & 0o777).toBe(0o600);
  }
  await using again = await openLibsqlRegistry({ path: folder.path });
  expect(await again.list()).toHaveLength(1);
});

test("where it cannot be, the system's reason is told", async () => {
  const open = (path: string) => openLibsqlRegistry({ path, create: true });
  await expect(open(`${folder.path}/none`)).rejects.toThrow(/ENOENT/);
  mkdirSync(folder.path);
  await expect(open(folder.path)).rejects.toThrow(/EISDIR/);
});

test("a file that is no database stays as it is", async () => {
  writeFileSync(folder.path, "Python's shelve, or anything else\n".repeat(100));
  await expectRefused(/cannot be the registry: it is no database$/);
});

test("another program's database stays as it is", async () => {
  bySqlite("CREATE TABLE bookmarks (url TEXT)");
  await expectRefused(/it is another program's database$/);
  bySqlite("PRAGMA application_id = 77; PRAGMA user_version = 0; DROP TABLE bookmarks");
  bySqlite("PRAGMA user_version = 3");
  await expectRefused(/it is another program's database$/);
});

test("one of a newer dialhome stays as it is", async () => {
  await (await folder.open())[Symbol.asyncDispose]();
  bySqlite(`PRAGMA user_version = ${SCHEMA_VERSION + 1}; PRAGMA wal_checkpoint(TRUNCATE)`);
  await expectRefused(
    new RegExp(`a newer dialhome made it \\(this one knows schema ${SCHEMA_VERSION}\\)$`),
  );
});

test("one that is damaged stays as it is, wherever the damage is", async () => {
  const registry = await folder.open();
  await fill(registry, 300);
  await registry[Symbol.asyncDispose]();
  const whole = readFileSync(folder.path);
  const page = 4_096;
  expect(whole.length).toBeGreaterThan(8 * page);
  for (const at of [page, 2 * page, 5 * page, whole.length - page]) {
    const damaged = Buffer.from(whole);
    damaged.fill(0x5a, at, at + 600);
    writeFileSync(folder.path, damaged);
    for (const end of ["-wal", "-shm"]) rmSync(`${folder.path}${end}`, { force: true });
    await expectRefused(/cannot be the registry: it is damaged/);
  }
  writeFileSync(folder.path, whole);
  truncateSync(folder.path, whole.length - 2 * page);
  await expectRefused(/it is damaged/);
  writeFileSync(folder.path, whole);
  await using healed = await folder.open();
  expect(await healed.list()).toHaveLength(300);
});

test("an empty file is one whose maker was killed: it is made, or told", async () => {
  writeFileSync(folder.path, "");
  await expectRefused(/it is empty$/, false);
  await using registry = await folder.open();
  await fill(registry, 1);
  bySqlite(`SELECT ${APPLICATION_ID}`); // readable by anything that reads SQLite
});

test("two that make it at once make one", async () => {
  const both = await Promise.all([folder.open(), folder.open(), folder.open()]);
  await Promise.all(both.map((registry) => fill(registry, 5)));
  expect(await both[0]?.list()).toHaveLength(5);
  for (const registry of both) await registry[Symbol.asyncDispose]();
});

test("a lock of another process is waited for, for a while, and the event loop goes on", async () => {
  await using registry = await folder.open({ lockTimeoutMs: 300 });
  const other = new Libsql(folder.path);
  other.exec("BEGIN IMMEDIATE");
  // Who only reads is not held up.
  expect(await registry.list()).toEqual([]);
  let turns = 0;
  const turning = setInterval(() => turns++, 5);
  const began = performance.now();
  await expect(fill(registry, 3)).rejects.toMatchObject({
    code: "ERR_MUX_REGISTRY_BUSY",
    message: expect.stringMatching(/has been locked by another process for 0\.3 s$/),
  });
  clearInterval(turning);
  expect(performance.now() - began).toBeGreaterThan(290);
  expect(turns).toBeGreaterThan(5);
  const filled = fill(registry, 3);
  setTimeout(() => other.exec("COMMIT"), 50);
  await filled;
  other.close();
  expect(await registry.list()).toHaveLength(3);
});
