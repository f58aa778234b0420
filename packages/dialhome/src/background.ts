import { once } from "node:events";
import { EXIT_CODE } from "./exit-codes.ts";
import type { CommandIo } from "./io.ts";

/**
 * Runs this program again, in a session of its own that outlives us. Resolves when it is up (it called `ProcessFace.onUp`), with 0; or when it ended
 * before that, with its exit code, after it has told why. It keeps neither a terminal nor a pipe of ours: whoever waits for the end of
 * our output need not wait for it.
 */
export async function startInBackground(args: readonly string[], io: CommandIo): Promise<number> {
  if (io.process === undefined) throw new Error("there is no process to start again");
  const child = io.process.startAgain(args);
  const { stderr } = child;
  if (stderr === null) throw new Error("no pipe");
  stderr.setEncoding("utf8").on("data", (text: string) => io.stderr.write(text));
  const ended = once(child, "close");
  const stop = (): boolean => child.kill("SIGTERM");
  io.signal.addEventListener("abort", stop, { once: true });
  try {
    const up = once(child, "message").then(() => undefined);
    const end = await Promise.race([ended, up]);
    if (end !== undefined) return typeof end[0] === "number" ? end[0] : EXIT_CODE.failed;
    return EXIT_CODE.done;
  } finally {
    io.signal.removeEventListener("abort", stop);
    if (child.connected) child.disconnect();
    stderr.destroy();
    child.unref();
  }
}
