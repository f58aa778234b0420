import {
  describeHookResult,
  type MuxServerEvent,
  type Registry,
  runMuxHook,
} from "@dialhome/mux-protocol";
import { describeFailure } from "../failure.ts";
import type { CommandIo } from "../io.ts";

/** What a server's hook is run with. */
export interface ServeHookOptions {
  /** Program and arguments. */
  readonly command: readonly string[];
  readonly sshPort: number;
  /** Keeps what became of it. */
  readonly registry: Pick<Registry, "noteHook">;
  readonly io: Pick<CommandIo, "env" | "stderr">;
  /** A clock that never jumps, ms. @defaultValue `performance.now` */
  readonly elapsed?: () => number;
}

/** A fleet that boots at once must not start all its hooks at once; and whoever waits longer is not worth waiting for. */
const LIMITS = { atOnce: 8, waiting: 10_000 } as const;

/** A device asks several times in one negotiation: what comes within this time of the last request, ms, belongs to it. */
const NEGOTIATION_MS = 60_000;

interface Granted {
  readonly identity: string;
  readonly address: string;
  readonly port: number;
}

/**
 * Runs a program for each device that is given its ports, and notes in the registry what became of it. Disposal kills those that run, and forgets
 * those that wait.
 */
export class ServeHooks implements AsyncDisposable {
  readonly #options: ServeHookOptions;
  readonly #elapsed: () => number;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #waiting: Granted[] = [];
  /** Identity → what it was given last, and when. */
  readonly #last = new Map<string, { readonly what: string; readonly at: number }>();

  constructor(options: ServeHookOptions) {
    this.#options = options;
    this.#elapsed = options.elapsed ?? (() => performance.now());
  }

  /** Hears everything that the server tells. */
  onEvent(event: MuxServerEvent): void {
    if (event.is !== "granted") return;
    const { identity, from } = event.asker;
    const [port] = event.ports;
    if (port === undefined || !this.#isNew(identity, `${from.host} ${port}`)) return;
    if (this.#waiting.length >= LIMITS.waiting) return;
    this.#waiting.push({ identity, address: from.host, port });
    this.#startNext();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#waiting.length = 0;
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  #isNew(identity: string, what: string): boolean {
    const at = this.#elapsed();
    const last = this.#last.get(identity);
    // The last one first out, so that the map does not grow without end.
    this.#last.delete(identity);
    this.#last.set(identity, { what, at });
    const [oldest] = this.#last.keys();
    if (this.#last.size > LIMITS.waiting && oldest !== undefined) this.#last.delete(oldest);
    return last === undefined || last.what !== what || at - last.at > NEGOTIATION_MS;
  }

  #startNext(): void {
    while (this.#running.size < LIMITS.atOnce) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const run = this.#run(next).finally(() => {
        this.#running.delete(run);
        this.#startNext();
      });
      this.#running.add(run);
    }
  }

  /** Never rejects. */
  async #run({ identity, address, port }: Granted): Promise<void> {
    const { command, sshPort, registry, io } = this.#options;
    const env = { ...io.env, DIALHOME_MUX_IDENTITY: identity, DIALHOME_MUX_ADDRESS: address };
    const { signal } = this.#stop;
    const result = await runMuxHook({ command, sshPort, tunnelPort: port, env, signal });
    const words = describeHookResult(result);
    try {
      await registry.noteHook(identity, words);
    } catch (error) {
      io.stderr.write(
        `dialhome: the hook's end (${words}) is not noted: ${describeFailure(error)}\n`,
      );
    }
  }
}
