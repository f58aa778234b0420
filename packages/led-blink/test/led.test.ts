import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openLed } from "../src/led.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dialhome-test-"));
  mkdirSync(join(folder, "led0"));
  writeFileSync(join(folder, "led0", "trigger"), "none [mmc0] transient\n");
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

test("reads and writes an attribute, a line each", () => {
  const led = openLed("led0", folder);
  expect(led.read("trigger")).toBe("none [mmc0] transient\n");
  led.write("trigger", "transient");
  expect(readFileSync(join(folder, "led0", "trigger"), "latin1")).toBe("transient\n");
});

test("makes no file that the kernel does not show", () => {
  const led = openLed("led0", folder);
  expect(() => led.write("duration", "100")).toThrow(expect.objectContaining({ code: "ENOENT" }));
});

test("an LED that is not there is told with those that are", () => {
  mkdirSync(join(folder, "ACT"));
  for (const name of ["led1", "", ".", "..", "led0/../led0", "x".repeat(200)]) {
    expect(() => openLed(name, folder)).toThrow(/^no LED ".{0,80}" in .*: there are ACT, led0$/);
  }
  rmSync(join(folder, "ACT"), { recursive: true });
  rmSync(join(folder, "led0"), { recursive: true });
  expect(() => openLed("led0", folder)).toThrow(/: there is none$/);
  expect(() => openLed("led0", join(folder, "none"))).toThrow(
    expect.objectContaining({ code: "ERR_LED_BLINK_LED" }),
  );
});
