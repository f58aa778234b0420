import Libsql from "libsql";
import { expect, test } from "vitest";
import { migrate, SCHEMA_VERSION, schemaState } from "../src/registry-schema.ts";

test("an empty database becomes a registry, and that once", () => {
  const database = new Libsql(":memory:");
  expect(schemaState(database)).toBe("empty");
  migrate(database);
  expect(schemaState(database)).toBe("ours");
  migrate(database);
  expect(schemaState(database)).toBe("ours");
  database.close();
});

test("what a newer one made in the meantime stays as it is", () => {
  const database = new Libsql(":memory:");
  migrate(database);
  database.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
  migrate(database);
  expect(schemaState(database)).toBe("newer");
  database.close();
});

test("a registry of the first version keeps what it knows", () => {
  const database = new Libsql(":memory:");
  migrate(database, 1);
  expect(schemaState(database)).toBe("older");
  database.exec("INSERT INTO identities (identity, seen_tick) VALUES ('a', 0)");
  migrate(database);
  expect(schemaState(database)).toBe("ours");
  expect(database.prepare("SELECT identity, key FROM identities").all([])).toEqual([
    { identity: "a", key: null },
  ]);
  database.close();
});
