import cliProgress from "cli-progress";
import type { TextOutput } from "../io.ts";
import { formatBytes, formatCount } from "./sizes.ts";

/** How far something that goes through entries and their bytes has come. */
export interface ByteProgress {
  readonly entries: number;
  readonly totalEntries: number;
  readonly bytes: number;
  readonly totalBytes: number;
}

/** One bar on a terminal. */
export interface ByteBar extends Disposable {
  readonly progress: (progress: ByteProgress) => void;
  end(): void;
}

/** @param output - undefined shows nothing */
export function openByteBar(output: TextOutput | undefined, title: string): ByteBar {
  if (output === undefined) {
    return { progress: () => undefined, end: () => undefined, [Symbol.dispose]: () => undefined };
  }
  const bar = new cliProgress.SingleBar({
    format: `${title} {bar} {percentage}% | {entries} entries | {read}`,
    barsize: 24,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    hideCursor: true,
    clearOnComplete: true,
    gracefulExit: false,
    fps: 8,
    stream: output,
  });
  let isShown = false;
  const end = (): void => {
    if (isShown) bar.stop();
    isShown = false;
  };
  return {
    progress: ({ entries, totalEntries, bytes, totalBytes }) => {
      // Without content to read, entries are what takes time.
      const [done, total] = totalBytes > 0 ? [bytes, totalBytes] : [entries, totalEntries];
      const payload = { entries: formatCount(entries), read: formatBytes(bytes) };
      if (!isShown) bar.start(Math.max(1, total), 0, payload);
      isShown = true;
      bar.setTotal(Math.max(1, total));
      bar.update(Math.min(done, total), payload);
    },
    end,
    [Symbol.dispose]: end,
  };
}
