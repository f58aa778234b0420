import type { TextOutput } from "../io.ts";
import { formatBytes } from "./sizes.ts";

/** Time between two updates of a line, ms. */
const UPDATE_MS = 250;

/** Shows, on one line of a terminal, how much has been sent. */
export interface SentMeter extends Disposable {
  begin(): void;
}

/** @param output - undefined shows nothing */
export function openSentMeter(output: TextOutput | undefined, bytes: () => number): SentMeter {
  let timer: NodeJS.Timeout | undefined;
  const clearLine = output?.isTTY === true ? "\r\u001b[K" : "";
  const startedAt = performance.now();
  return {
    begin: () => {
      if (output === undefined) return;
      timer = setInterval(
        () => {
          const seconds = Math.round((performance.now() - startedAt) / 1000);
          const line = `sent ${formatBytes(bytes())} in ${seconds} s`;
          output.write(clearLine === "" ? `${line}\n` : `${clearLine}${line}`);
        },
        clearLine === "" ? 10 * UPDATE_MS : UPDATE_MS,
      );
    },
    [Symbol.dispose]: () => {
      if (timer === undefined) return;
      clearInterval(timer);
      output?.write(clearLine);
    },
  };
}
