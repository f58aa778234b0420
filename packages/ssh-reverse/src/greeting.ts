import type { Readable } from "node:stream";

/**
 * Whether what a stream gives has a greeting at the start of a line, within the first bytes. An end, an error, silence until the signal is
 * aborted, and any other text are all a no. The stream is destroyed.
 */
export async function readsGreeting(
  stream: Readable,
  greeting: string,
  limitBytes: number,
  stop: AbortSignal,
): Promise<boolean> {
  const onStop = (): void => void stream.destroy();
  stop.addEventListener("abort", onStop, { once: true });
  try {
    if (stop.aborted) return false;
    let text = "\n";
    stream.setEncoding("latin1");
    for await (const chunk of stream) {
      text += String(chunk);
      if (text.includes(`\n${greeting}`)) return true;
      if (text.length > limitBytes) return false;
    }
    return false;
  } catch {
    return false;
  } finally {
    stop.removeEventListener("abort", onStop);
    stream.destroy();
  }
}
