import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { DialhomeError } from "../errors.ts";
import type { CommandIo } from "../io.ts";

/** Asks on the terminal for something that is not shown while it is typed. */
export async function askHidden(question: string, io: CommandIo): Promise<string> {
  io.stderr.write(question);
  const noAnswer = new DialhomeError("ERR_DIALHOME_REFUSED", "the question was not answered");
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: io.stdin, output: silent, terminal: true });
  try {
    return await new Promise<string>((resolve, reject) => {
      lines.once("line", resolve);
      lines.once("SIGINT", () => reject(noAnswer));
      lines.once("close", () => reject(noAnswer));
      io.signal.addEventListener("abort", () => reject(noAnswer), { once: true });
    });
  } finally {
    lines.close();
    io.stderr.write("\n");
  }
}
