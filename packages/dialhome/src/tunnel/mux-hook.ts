import {
  describeHookResult,
  type Negotiated,
  runMuxHook,
  splitHookCommand,
} from "@dialhome/mux-protocol";
import type { CommandIo } from "../io.ts";

/** Runs the hook of `-c` beside the tunnel: when the ports are known, and when they have become others. Disposal ends it. */
export class TunnelMuxHook implements AsyncDisposable {
  readonly #command: readonly string[] | undefined;
  readonly #io: CommandIo;
  readonly #onEnd: (result: string, isDone: boolean) => void;
  readonly #stop = new AbortController();
  #known = "";
  #running: Promise<void> = Promise.resolve();

  /** @param onEnd - told what became of each run */
  constructor(
    given: readonly string[] | undefined,
    io: CommandIo,
    onEnd: (result: string, isDone: boolean) => void,
  ) {
    this.#command = given === undefined ? undefined : splitHookCommand(given);
    this.#io = io;
    this.#onEnd = onEnd;
  }

  /** One after another. */
  granted({ sshPort, ports }: Negotiated): void {
    const [tunnelPort] = ports;
    const known = `${sshPort} ${tunnelPort}`;
    if (this.#command === undefined || tunnelPort === undefined || known === this.#known) return;
    this.#known = known;
    const before = this.#running;
    const command = this.#command;
    this.#running = (async () => {
      await before;
      const { env } = this.#io;
      const { signal } = this.#stop;
      const result = await runMuxHook({ command, sshPort, tunnelPort, env, signal });
      this.#onEnd(describeHookResult(result), result.is === "ended" && result.code === 0);
    })();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
