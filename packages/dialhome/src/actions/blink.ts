import { resolve } from "node:path";
import {
  blink,
  type Flash,
  lastBits,
  openLed,
  parseBlinkConfiguration,
  parseBlinkNumber,
  pickNumber,
} from "@dialhome/led-blink";
import { type ProcessLock, stopLockHolder, takeProcessLock } from "@dialhome/ssh-reverse";
import { startInBackground } from "../background.ts";
import { describeFailure } from "../failure.ts";
import type { CommandIo } from "../io.ts";
import { lockPath } from "../lock-path.ts";

/** The options of `dialhome blink`. */
export interface BlinkFlags {
  readonly led: string;
  readonly argNum: string;
  readonly conf?: string;
  readonly fork?: boolean;
  readonly rounds?: number;
  readonly debug?: boolean;
}

/** The one that blinks already has this long to put out its light, ms. */
const HAND_OVER_MS = 5_000;

/** Others may come at the same time: each tries so many times to be the last. */
const HAND_OVER_TRIES = 5;

/** `dialhome blink` */
export async function runBlink(
  args: readonly string[],
  flags: BlinkFlags,
  io: CommandIo,
): Promise<number> {
  const { value, bits: count } = pickNumber(parseBlinkNumber(flags.argNum), args);
  const { timing, ledFolder } = parseBlinkConfiguration(flags.conf ?? "{}");
  const folder = ledFolder === undefined ? undefined : resolve(io.cwd, ledFolder);
  const led = openLed(flags.led, folder);
  if (flags.fork) return startInBackground(["blink", ...argumentsOf(args, flags)], io);
  using _ = await takeLed([folder ?? "", flags.led], io);
  const bits = lastBits(value, count);
  if (flags.debug) io.stdout.write(`${value}: ${bits}\n`);
  let isUp = false;
  await blink({
    led,
    bits,
    timing,
    signal: io.signal,
    ...(flags.rounds === undefined ? {} : { rounds: flags.rounds }),
    onFlash: (flash) => {
      if (!isUp) io.process?.onUp();
      isUp = true;
      if (flags.debug) tellFlash(flash, io);
    },
  });
  io.signal.throwIfAborted();
  return 0;
}

function tellFlash({ is, lightMs, untilNextMs }: Flash, { stdout }: CommandIo): void {
  stdout.write(`${is}: ${lightMs} ms of light, ${untilNextMs} ms to the next\n`);
}

/** The same again, in the foreground. */
function argumentsOf(args: readonly string[], flags: BlinkFlags): readonly string[] {
  const { led, argNum, conf, rounds } = flags;
  return [
    `--led=${led}`,
    `--arg-num=${argNum}`,
    ...(conf === undefined ? [] : [`--conf=${conf}`]),
    ...(rounds === undefined ? [] : [`--rounds=${rounds}`]),
    "--",
    ...args,
  ];
}

/**
 * The last one that wants an LED has it: a hook may begin one at each new negotiation, and nobody ends the one before. Where no lock can be kept
 * it blinks all the same: a board with a file system that is read-only must be found, too.
 */
async function takeLed(led: readonly string[], io: CommandIo): Promise<ProcessLock | undefined> {
  const path = lockPath("blink", led, io);
  try {
    for (let tries = 0; tries < HAND_OVER_TRIES; tries++) {
      const lock = takeProcessLock(path);
      if (lock !== undefined) return lock;
      await stopLockHolder(path, HAND_OVER_MS);
    }
    io.stderr.write("dialhome: others want the same LED, and it blinks for each of them\n");
  } catch (error) {
    io.stderr.write(`dialhome: blinks without a lock: ${describeFailure(error)}\n`);
  }
  return undefined;
}
