import type { MuxCounters, MuxServerEvent } from "@dialhome/mux-protocol";
import { formatAddress } from "../host-address.ts";
import type { CommandIo } from "../io.ts";
import { writeJsonLine } from "../terminal/json-lines.ts";
import { printable } from "../terminal/printable.ts";

interface ReportFlags {
  readonly debug?: boolean;
  readonly json?: boolean;
}

/** Devices of which is remembered what was told; then all is told again. */
const DEVICES = 10_000;

/** Tells what a mux server does. Devices ask several times: only what is new is told, unless all is to be. */
export class MuxServeReport {
  readonly #flags: ReportFlags;
  readonly #io: CommandIo;
  readonly #told = new Map<string, string>();

  constructor(flags: ReportFlags, io: CommandIo) {
    this.#flags = flags;
    this.#io = io;
  }

  readonly onEvent = (event: MuxServerEvent): void => {
    switch (event.is) {
      case "granted":
      case "refused": {
        const { version, identity, from } = event.asker;
        const what = event.is === "granted" ? event.ports.join(" ") : event.status;
        const where = formatAddress(from.host, from.port);
        if (!this.#isNew(identity, `${what} ${from.host}`)) return;
        const error = event.is === "refused" ? reasonOf(event.error) : "";
        this.say(event.is, `${identity} ${where}: ${what}${error}`, {
          version,
          identity,
          address: from.host,
          port: from.port,
          ...(event.is === "granted" ? { ports: event.ports } : { status: event.status }),
          ...(error === "" ? {} : { message: error.slice(2) }),
        });
        return;
      }
      case "socket-failed":
      case "send-failed":
        if (!this.#isNew(event.is, event.error.message)) return;
        this.say(event.is, event.error.message, { message: event.error.message });
        return;
    }
  };

  /** Something about the server as a whole. */
  say(event: string, text: string, facts: Readonly<Record<string, unknown>> = {}): void {
    const line = { time: new Date().toISOString(), event, ...facts };
    if (this.#flags.json === true) writeJsonLine(this.#io.stdout, line);
    else this.#io.stdout.write(`${printable(text)}\n`);
  }

  end(counters: MuxCounters): void {
    const { received, dropped, answered } = counters;
    const refused = Object.values(dropped).reduce((sum, count) => sum + count, 0);
    const text = `ended on request: ${received} packets, ${answered.granted} granted, ${refused} dropped`;
    this.say("stopped", text, { ...counters });
  }

  #isNew(who: string, what: string): boolean {
    if (this.#flags.debug === true) return true;
    if (this.#told.get(who) === what) return false;
    if (this.#told.size >= DEVICES) this.#told.clear();
    this.#told.set(who, what);
    return true;
  }
}

const reasonOf = (error: unknown): string => (error instanceof Error ? `: ${error.message}` : "");
