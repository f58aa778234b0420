import { PassThrough, Readable, Writable } from "node:stream";
import type { CommandIo } from "../../src/io.ts";

/** Surroundings of a command that lie in memory, and what it wrote to them. */
export interface MemoryIo extends CommandIo {
  readonly written: { stdout: string; stderr: string };
}

export function memoryIo(options: Partial<Omit<CommandIo, "stdout" | "stderr">> = {}): MemoryIo {
  const written = { stdout: "", stderr: "" };
  const output = (name: "stdout" | "stderr"): Writable =>
    new Writable({
      decodeStrings: false,
      write: (chunk, _encoding, done) => {
        written[name] += String(chunk);
        done();
      },
    });
  return {
    stdin: Readable.from([]).pipe(new PassThrough()),
    env: {},
    cwd: "/nowhere",
    signal: new AbortController().signal,
    ...options,
    stdout: output("stdout"),
    stderr: output("stderr"),
    written,
  };
}
