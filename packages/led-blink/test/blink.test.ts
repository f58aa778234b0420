import { expect, test } from "vitest";
import { blink } from "../src/blink.ts";
import { ACCESS } from "../src/constants.ts";
import { type FakeLed, fakeLed } from "./support/fake-led.ts";

/** As a Raspberry Pi shows it. */
const TRIGGERS = "none kbd-scrolllock [mmc0] timer heartbeat transient\n";

const written = ({ written: all }: FakeLed, attribute: string): readonly (string | number)[] =>
  all.filter((one) => one[1] === attribute).map(([ms, , value]) => `${ms} ${value}`);

test("what is written, and when: the trigger, the mark, the bits, and the trigger that was there", async () => {
  const fake = fakeLed({ trigger: TRIGGERS });
  await blink({ led: fake.led, bits: "1011", rounds: 2, pause: fake.pause });
  const round = (start: number): string[] =>
    [
      [0, 100],
      [200, 100],
      [400, 100],
      [600, 100],
      [800, 100],
      [2_500, 1_300],
      [4_500, 100],
      [5_300, 1_300],
      [7_300, 1_300],
    ].map(([at = 0, light = 0]) => `${start + at} ${light}`);
  expect(fake.written.slice(0, 4)).toEqual([
    [0, "trigger", "transient"],
    [0, "state", "1"],
    [0, "duration", "100"],
    [0, "activate", "1"],
  ]);
  expect(written(fake, "duration")).toEqual([...round(0), ...round(14_300)]);
  expect(written(fake, "activate")).toEqual(
    written(fake, "duration").map((line) => String(line).replace(/ .*/, " 1")),
  );
  expect(fake.written.at(-1)).toEqual([28_600, "trigger", "mmc0"]);
});

test("each flash is told as it begins", async () => {
  const fake = fakeLed({ trigger: TRIGGERS });
  const told: string[] = [];
  await blink({
    led: fake.led,
    bits: "01",
    rounds: 1,
    pause: fake.pause,
    onFlash: ({ is }) => told.push(`${fake.now()} ${is}`),
  });
  expect(told.slice(-3)).toEqual(["800 mark", "2500 0", "3300 1"]);
});

test("an aborted one restores the trigger at once, in the midst of a flash, and is no failure", async () => {
  const fake = fakeLed({ trigger: TRIGGERS });
  const stop = new AbortController();
  fake.at(3_000, () => stop.abort(new Error("enough")));
  await blink({ led: fake.led, bits: "1011", pause: fake.pause, signal: stop.signal });
  expect(fake.written.at(-1)).toEqual([3_000, "trigger", "mmc0"]);
  expect(fake.written.filter(([ms]) => ms > 2_500)).toHaveLength(1);
});

test("one that is aborted before touches nothing", async () => {
  const fake = fakeLed({ trigger: TRIGGERS });
  await blink({ led: fake.led, bits: "1", pause: fake.pause, signal: AbortSignal.abort() });
  expect(fake.written).toEqual([]);
});

test("what the former trigger forgets is told to it again", async () => {
  const fake = fakeLed({
    trigger: "none [netdev] transient",
    device_name: "eth0\n",
    interval: "50\n",
    link: "1\n",
    tx: "1\n",
    delay_on: "7\n",
  });
  await blink({ led: fake.led, bits: "1", rounds: 1, pause: fake.pause });
  expect(fake.written.slice(-5).map(([, ...what]) => what)).toEqual([
    ["trigger", "netdev"],
    ["device_name", "eth0"],
    ["interval", "50"],
    ["link", "1"],
    ["tx", "1"],
  ]);
});

test.each([
  ["[none] timer transient", "none"],
  ["none timer transient", "none"],
])("an LED that was lit is lit again (%s)", async (trigger, name) => {
  const fake = fakeLed({ trigger, brightness: "255\n" });
  await blink({ led: fake.led, bits: "1", rounds: 1, pause: fake.pause });
  expect(fake.written.slice(-2).map(([, ...what]) => what)).toEqual([
    ["trigger", name],
    ["brightness", "255"],
  ]);
});

test("files that come, or may be written, only after a moment are waited for", async () => {
  const fake = fakeLed({ trigger: TRIGGERS }, (attribute, ms) => {
    if (attribute !== "trigger" && ms < 500) throw new Error("EACCES");
  });
  await blink({ led: fake.led, bits: "1", rounds: 1, pause: fake.pause });
  expect(fake.written.slice(0, 2)).toEqual([
    [0, "trigger", "transient"],
    [7 * ACCESS.everyMs, "state", "1"],
  ]);
});

test("an LED that may not be written is one clear line, after a second", async () => {
  const fake = fakeLed({ trigger: TRIGGERS }, () => {
    throw new Error("EACCES: permission denied, open '/sys/class/leds/led0/trigger'");
  });
  const blinking = blink({ led: fake.led, bits: "1", pause: fake.pause });
  await expect(blinking).rejects.toMatchObject({
    code: "ERR_LED_BLINK_LED",
    message: /^cannot write LED led0: EACCES: permission denied/,
  });
  expect(fake.now()).toBe((ACCESS.tries - 1) * ACCESS.everyMs);
  expect(fake.written).toEqual([]);
});

test("a trigger that cannot be restored is told, also where the end was asked for", async () => {
  const fake = fakeLed({ trigger: TRIGGERS }, (_attribute, ms) => {
    if (ms >= 1_000) throw new Error("ENODEV");
  });
  const stop = new AbortController();
  fake.at(1_000, () => stop.abort(new Error("enough")));
  const blinking = blink({ led: fake.led, bits: "1", pause: fake.pause, signal: stop.signal });
  await expect(blinking).rejects.toMatchObject({ code: "ERR_LED_BLINK_LED" });
});

test("an LED that is gone in the midst fails, and does not end in silence", async () => {
  const fake = fakeLed({ trigger: TRIGGERS }, (_attribute, ms) => {
    if (ms > 1_000) throw new Error("ENODEV");
  });
  const blinking = blink({ led: fake.led, bits: "1", pause: fake.pause });
  await expect(blinking).rejects.toMatchObject({ code: "ERR_LED_BLINK_LED" });
});

test.each([
  [{}, "ERR_LED_BLINK_LED", /^cannot read LED led0: /],
  [{ trigger: "[none] timer" }, "ERR_LED_BLINK_TRIGGER", /modprobe ledtrig-transient/],
])("%j cannot blink", async (files, code, message) => {
  const fake = fakeLed(files);
  const blinking = blink({ led: fake.led, bits: "1", pause: fake.pause });
  await expect(blinking).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  expect(fake.written).toEqual([]);
});

test("one that was killed left transient behind: that is what was there", async () => {
  const fake = fakeLed({ trigger: "none [transient]" });
  await blink({ led: fake.led, bits: "1", rounds: 1, pause: fake.pause });
  expect(fake.written.at(-1)?.slice(1)).toEqual(["trigger", "transient"]);
});
