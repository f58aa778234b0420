import { PassThrough, Writable } from "node:stream";
import { main } from "../../packages/dialhome/src/main.ts";

/** What a command line does in this process: its exit code and all that it wrote. */
export interface Called {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Surroundings of a call. */
export interface CallOptions {
  /** All of the environment: nothing of this process's is passed on. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly stdin?: string;
}

/** Runs `dialhome ARGS` in this process, which saves the time of starting one. For what is about processes there is `runDialhome`. */
export async function callDialhome(
  args: readonly string[],
  options: CallOptions = {},
): Promise<Called> {
  const written = { stdout: "", stderr: "" };
  const output = (name: keyof typeof written): Writable =>
    new Writable({
      decodeStrings: false,
      write: (chunk, _encoding, done) => {
        written[name] += String(chunk);
        done();
      },
    });
  const stdin = new PassThrough();
  stdin.end(options.stdin ?? "");
  const code = await main(args, {
    stdin,
    stdout: output("stdout"),
    stderr: output("stderr"),
    env: options.env ?? {},
    cwd: options.cwd ?? "/",
    signal: new AbortController().signal,
  });
  return { code, ...written };
}
