import { InvalidArgumentError } from "commander";

/** Reads a number of seconds, with decimals; gives ms. For `commander`. */
export function secondsToMs(text: string): number {
  const seconds = Number(text);
  if (text.trim() === "" || !Number.isFinite(seconds) || seconds < 0 || seconds > 2_000_000) {
    throw new InvalidArgumentError("it takes a number of seconds.");
  }
  return seconds * 1000;
}

/** Reads a TCP port. For `commander`. */
export function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535) {
    throw new InvalidArgumentError("a port is a number from 1 to 65535.");
  }
  return port;
}

/** Reads a whole number from 1. For `commander`. */
export function wholeNumber(text: string): number {
  const number = Number(text);
  if (!/^\d{1,9}$/.test(text) || number < 1) {
    throw new InvalidArgumentError("it takes a whole number from 1.");
  }
  return number;
}

/** Gathers an option that can be given several times. For `commander`. */
export function gather(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}
