import { formatNumber } from "./numbers.ts";

/** Speeds are of the last so many lines; rsync prints one a second. */
const HISTORY = 5;
const INTERVAL_MS = 1_000;

interface Mark {
  readonly atMs: number;
  readonly bytes: number;
}

/** The lines of `--progress`: of one file, or with `--info=progress2` of all. */
export class ProgressLines {
  readonly #human: number;
  readonly #now: () => number;
  #start: Mark | undefined;
  #marks: Mark[] = [];
  #lastLength = 0;

  /** @param now - ms */
  constructor(human: number, now: () => number = () => performance.now()) {
    this.#human = human;
    this.#now = now;
  }

  /** Bytes have come. @returns the line, or undefined when one was printed a moment ago */
  update(bytes: number, size: number): string | undefined {
    const mark = { atMs: this.#now(), bytes };
    if (this.#start === undefined) {
      this.#start = mark;
      this.#marks = [mark];
      return this.#line(bytes, size, mark, mark, false);
    }
    const last = this.#marks.at(-1) ?? mark;
    if (mark.atMs - last.atMs < INTERVAL_MS) return undefined;
    this.#marks.push(mark);
    if (this.#marks.length > HISTORY) this.#marks.shift();
    return this.#line(bytes, size, this.#marks[0] ?? mark, mark, false);
  }

  /** A file has come. @param counts - what stands in brackets at the end */
  finishFile(size: number, counts: string): string {
    const mark = { atMs: this.#now(), bytes: size };
    const line = this.#line(size, size, this.#start ?? mark, mark, true);
    this.#start = undefined;
    return `${line} (${counts})\n`;
  }

  /** How far all is; what is longer in the line before is covered. */
  total(bytes: number, size: number, counts: string): string {
    const mark = { atMs: this.#now(), bytes };
    this.#start ??= mark;
    const end = ` (${counts})`;
    this.#lastLength = Math.max(this.#lastLength, end.length);
    return `${this.#line(bytes, size, this.#start, mark, true)}${end.padEnd(this.#lastLength)}`;
  }

  #line(bytes: number, size: number, from: Mark, to: Mark, isLast: boolean): string {
    const elapsedMs = Math.max(1, Math.trunc(to.atMs - from.atMs));
    const rate = ((bytes - from.bytes) * 1000) / elapsedMs / 1024;
    const seconds = isLast ? elapsedMs / 1000 : rate === 0 ? 0 : (size - bytes) / rate / 1000;
    const percent = bytes === size ? 100 : Math.trunc((100 * bytes) / size);
    const number = formatNumber(bytes, this.#human).padStart(15);
    const end = isLast ? "" : "  ";
    return `\r${number} ${String(percent).padStart(3)}% ${formatSpeed(rate)} ${formatRemaining(seconds)}${end}`;
  }
}

/** @param rate - KiB per second */
function formatSpeed(rate: number): string {
  const [value, unit] =
    rate > 1024 * 1024
      ? [rate / 1024 ** 2, "GB/s"]
      : rate > 1024
        ? [rate / 1024, "MB/s"]
        : [rate, "kB/s"];
  return `${value.toFixed(2).padStart(7)}${unit}`;
}

function formatRemaining(seconds: number): string {
  if (seconds < 0 || seconds > 9999 * 3600) return "  ??:??:??";
  const whole = Math.trunc(seconds);
  return `${String(Math.trunc(whole / 3600)).padStart(4)}:${two(Math.trunc(whole / 60) % 60)}:${two(whole % 60)}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
