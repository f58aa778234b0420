import { openByteBar } from "../terminal/byte-bar.ts";
import { PullEstimate } from "../terminal/pull-estimate.ts";
import type { Said } from "./programs.ts";

const isTerminal = process.stdout.isTTY;
const style = (code: number, text: string): string =>
  isTerminal ? `\u001b[${code}m${text}\u001b[0m` : text;

/** A line of the demo. */
export function say(text = ""): void {
  process.stdout.write(`${text}\n`);
}

/** What comes next. */
export function headline(text: string): void {
  say();
  say(style(1, text));
}

/** A command as a person would type it. */
export function showCommand(who: string, command: string): void {
  say(style(36, `${who}$ ${command}`));
}

/** A fact about what was done. */
export function fact(text: string): void {
  say(`  ${text}`);
}

/** A progress bar on a terminal; elsewhere a line at each quarter. */
export function openPullProgress(title: string): Disposable & { hear(said: Said): void } {
  const bar = openByteBar(isTerminal ? process.stdout : undefined, title);
  const estimate = new PullEstimate();
  let quarter = 0;
  return {
    hear: (said) => {
      const totalBytes = Number(said["totalBytes"]);
      const bytes = estimate.update({
        totalBytes,
        finishedBytes: Number(said["finishedBytes"]),
        receivedBytes: Number(said["receivedBytes"]),
      });
      bar.progress({
        entries: Number(said["finished"]),
        totalEntries: Number(said["entries"]),
        bytes,
        totalBytes,
      });
      const reached =
        said["listComplete"] === true && totalBytes > 0 ? Math.floor((4 * bytes) / totalBytes) : 0;
      if (!isTerminal && reached > quarter) fact(`${reached * 25}% …`);
      quarter = Math.max(quarter, reached);
    },
    [Symbol.dispose]: () => bar.end(),
  };
}
