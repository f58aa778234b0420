import { closeSync, constants, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { LED_FOLDER } from "./constants.ts";
import { LedBlinkError } from "./errors.ts";

/** The attributes of an LED, a small file each. What throws, throws the system's own error. */
export interface Led {
  /** For messages. */
  readonly name: string;
  readonly read: (attribute: string) => string;
  readonly write: (attribute: string, value: string) => void;
}

/** Longest list of LEDs in a message. */
const NAMES_SHOWN = 10;

/**
 * An LED of this machine. Nothing is held open: it may be gone later, and then the next access throws.
 *
 * @param name - its folder's name, such as `led0`, `ACT` or `input3::capslock`
 * @throws LedBlinkError `ERR_LED_BLINK_LED` when there is none of that name
 */
export function openLed(name: string, ledFolder: string = LED_FOLDER): Led {
  const names = ledNames(ledFolder);
  if (!names.includes(name)) {
    const others = names.slice(0, NAMES_SHOWN).join(", ");
    const there = names.length === 0 ? "there is none" : `there are ${others}`;
    const message = `no LED "${name.slice(0, 80)}" in ${ledFolder}: ${there}`;
    throw new LedBlinkError("ERR_LED_BLINK_LED", message);
  }
  const folder = join(ledFolder, name);
  return {
    name,
    read: (attribute) => readFileSync(join(folder, attribute), "latin1"),
    write: (attribute, value) => {
      // Without O_CREAT: what the kernel does not show is not there.
      const fd = openSync(join(folder, attribute), constants.O_WRONLY | constants.O_TRUNC);
      try {
        writeSync(fd, `${value}\n`, null, "latin1");
      } finally {
        closeSync(fd);
      }
    },
  };
}

function ledNames(ledFolder: string): readonly string[] {
  try {
    return readdirSync(ledFolder).toSorted();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `this machine shows no LEDs: ${why}`;
    throw new LedBlinkError("ERR_LED_BLINK_LED", message, { cause });
  }
}
