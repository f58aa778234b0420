import { TRANSIENT } from "./constants.ts";
import { LedBlinkError } from "./errors.ts";
import type { Led } from "./led.ts";

/**
 * What a trigger forgets when another one is chosen (Documentation/leds/, Documentation/ABI/testing/sysfs-class-led-trigger-*), in the order in which
 * it must be written again.
 */
const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  activity: ["invert"],
  backlight: ["inverted"],
  heartbeat: ["invert"],
  netdev: ["device_name", "interval", "link", "tx", "rx"],
  none: ["brightness"],
  oneshot: ["delay_on", "delay_off", "invert"],
  pattern: ["repeat", "pattern"],
  timer: ["delay_on", "delay_off"],
};

/** What an LED did before. */
export interface FormerTrigger {
  readonly name: string;
  /** Attribute → value. */
  readonly parameters: ReadonlyMap<string, string>;
}

/**
 * Reads what an LED does at present, and makes sure that it can blink.
 *
 * @throws LedBlinkError `ERR_LED_BLINK_LED` when it cannot be read, `ERR_LED_BLINK_TRIGGER` when the kernel has no `transient`
 */
export function readTrigger(led: Led): FormerTrigger {
  let text: string;
  try {
    text = led.read("trigger");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LedBlinkError("ERR_LED_BLINK_LED", `cannot read LED ${led.name}: ${why}`, { cause });
  }
  const words = text.trim().split(/\s+/);
  const marked = words.find((word) => /^\[.+\]$/.test(word));
  // The kernel marks none where an LED is driven in a way of its own.
  const name = marked?.slice(1, -1) ?? "none";
  if (name !== TRANSIENT.trigger && !words.includes(TRANSIENT.trigger)) {
    const message = `LED ${led.name} has no trigger "${TRANSIENT.trigger}"; modprobe ${TRANSIENT.module} loads it`;
    throw new LedBlinkError("ERR_LED_BLINK_TRIGGER", message);
  }
  const parameters = new Map<string, string>();
  for (const attribute of PARAMETERS[name] ?? []) {
    try {
      parameters.set(attribute, led.read(attribute).trim());
    } catch {
      // Not every kernel has each.
    }
  }
  return { name, parameters };
}

/** Lets the LED do what it did. @throws the system's error when the trigger cannot be chosen */
export function restoreTrigger(led: Led, { name, parameters }: FormerTrigger): void {
  led.write("trigger", name);
  for (const [attribute, value] of parameters) {
    try {
      led.write(attribute, value);
    } catch {
      // The trigger is there again; what it does not take it did not have.
    }
  }
}
