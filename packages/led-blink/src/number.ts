import { NUMBER_LIMITS } from "./constants.ts";
import { LedBlinkError } from "./errors.ts";

/** Which of several arguments is blinked, and how much of it: `N[/BITS][-LESS]` of `led-blink-arg -n`. */
export interface BlinkNumber {
  /** The argument, from 1. */
  readonly argument: number;
  /** So many last bits; undefined is as many as the argument has, before anything is taken off. */
  readonly bits?: number;
  /** What is taken off the argument first: the beginning of a range of ports. */
  readonly less: bigint;
}

const FORM = /^(\d{1,3})(?:\/(\d{0,3}))?(?:-(\d{1,20}))?$/;

/**
 * Reads `2/4-2200`: the second argument, the last 4 bits of it, less 2200. Bits or what is taken off may be left out; `2/-2200`
 * is `2-2200`, since the original knows only the first.
 *
 * @throws LedBlinkError `ERR_LED_BLINK_NUMBER`
 */
export function parseBlinkNumber(text: string): BlinkNumber {
  const [, argument, bits, less = "0"] = FORM.exec(text) ?? [];
  if (argument === undefined || Number(argument) === 0) {
    throw numberError(`"${text}" is not of the form N[/BITS][-LESS], such as 2/4-2200`);
  }
  const parts = { argument: Number(argument), less: BigInt(less) };
  if (bits === undefined || bits === "") return parts;
  if (Number(bits) < 1 || Number(bits) > NUMBER_LIMITS.bits) {
    throw numberError(`"${text}": the bits are a number from 1 to ${NUMBER_LIMITS.bits}`);
  }
  return { ...parts, bits: Number(bits) };
}

/**
 * The number to blink.
 *
 * A number below what is taken off is refused: the original blinks its bits in two's complement, which look like those of another
 * port. And 0 has one bit here, where the original blinks none.
 *
 * @throws LedBlinkError `ERR_LED_BLINK_NUMBER`
 */
export function pickNumber(
  { argument, bits, less }: BlinkNumber,
  args: readonly string[],
): { readonly value: bigint; readonly bits: number } {
  const text = args[argument - 1];
  if (text === undefined) {
    const there = args.length === 1 ? "is 1 argument" : `are ${args.length} arguments`;
    throw numberError(`argument ${argument} is asked for, and there ${there}`);
  }
  if (!/^\d+$/.test(text) || text.length > NUMBER_LIMITS.digits) {
    throw numberError(`argument ${argument} is no number: "${text.slice(0, 40)}"`);
  }
  const value = BigInt(text);
  if (value < less) throw numberError(`argument ${argument} is ${value}, less than ${less}`);
  const own = Math.min(value.toString(2).length, NUMBER_LIMITS.bits);
  return { value: value - less, bits: bits ?? own };
}

/** The last bits of a number, as `0` and `1`, the last one first: the order in which they are blinked. */
export function lastBits(value: bigint, count: number): string {
  return value.toString(2).padStart(count, "0").split("").toReversed().join("").slice(0, count);
}

function numberError(message: string): LedBlinkError {
  return new LedBlinkError("ERR_LED_BLINK_NUMBER", message);
}
