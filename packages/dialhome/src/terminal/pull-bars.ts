import type { PullProgress } from "@dialhome/rsync-protocol-client";
import { MultiBar, type SingleBar } from "cli-progress";
import type { TextOutput } from "../io.ts";
import { printable } from "./printable.ts";
import { PullEstimate } from "./pull-estimate.ts";
import { formatBytes, formatCount } from "./sizes.ts";

/** A bar for each pull that runs, at the bottom of a terminal. Without a terminal there are no bars. */
export interface PullBars extends Disposable {
  readonly isShown: boolean;
  begin(key: object, title: string): void;
  progress(key: object, progress: PullProgress): void;
  end(key: object): void;
  /** Writes a line above the bars. */
  line(output: TextOutput, text: string): void;
}

interface ShownBar {
  readonly bar: SingleBar;
  readonly startedAt: number;
  readonly estimate: PullEstimate;
}

const FORMAT = "{title} {bar} {percentage}% | {files} | {bytes} | {rate}/s";

/** @param output - undefined shows no bars */
export function openPullBars(output: TextOutput | undefined): PullBars {
  const isShown = output?.isTTY === true;
  const bars = new Map<object, ShownBar>();
  let multi: MultiBar | undefined;
  const open = (): MultiBar => {
    multi ??= new MultiBar({
      format: FORMAT,
      barsize: 24,
      barCompleteChar: "█",
      barIncompleteChar: "░",
      hideCursor: true,
      clearOnComplete: true,
      fps: 8,
      gracefulExit: false,
      stopOnComplete: true,
      ...(output === undefined ? {} : { stream: output }),
    });
    return multi;
  };
  return {
    isShown,
    begin: (key, title) => {
      if (!isShown) return;
      const payload = { title: printable(title), files: "", bytes: "", rate: formatBytes(0) };
      bars.set(key, {
        bar: open().create(1, 0, payload),
        startedAt: performance.now(),
        estimate: new PullEstimate(),
      });
    },
    progress: (key, progress) => {
      const shown = bars.get(key);
      if (shown === undefined) return;
      const { bar, startedAt, estimate } = shown;
      const done = estimate.update(progress);
      const seconds = Math.max(0.001, (performance.now() - startedAt) / 1000);
      bar.setTotal(Math.max(1, progress.totalBytes));
      bar.update(done, {
        files: `${formatCount(progress.finished)}/${formatCount(progress.entries)}${progress.listComplete ? "" : "+"} files`,
        bytes: formatBytes(done),
        rate: formatBytes(done / seconds),
      });
    },
    end: (key) => {
      const shown = bars.get(key);
      if (shown === undefined) return;
      bars.delete(key);
      shown.bar.stop();
      multi?.remove(shown.bar);
      if (bars.size > 0) return;
      multi?.stop();
      multi = undefined;
    },
    line: (out, text) => {
      if (multi === undefined) out.write(`${text}\n`);
      else multi.log(`${text}\n`);
    },
    [Symbol.dispose]: () => multi?.stop(),
  };
}
