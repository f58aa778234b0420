import { randomBytes } from "node:crypto";
import type { RemoteInfo, Socket } from "node:dgram";
import { once } from "node:events";
import { CLIENT, SERVER, VERSION_2 } from "../constants.ts";
import { plainAddress } from "../ip-address.ts";
import { MuxError } from "../mux-error.ts";
import { retryDelays } from "../retry-delays.ts";
import { assertRedirect } from "../version-2/answer-items.ts";
import { bindSocket } from "./bind.ts";
import { Gate } from "./gate.ts";
import { type Asked, dropped, type Judge, type Judgement, type Reply } from "./judge.ts";
import { JudgeV1 } from "./judge-v1.ts";
import { JudgeV2 } from "./judge-v2.ts";
import { Keyring } from "./keyring.ts";
import type {
  Asker,
  MuxCounters,
  MuxServer,
  MuxServerEvent,
  MuxServerOptions,
  ServerSources,
} from "./options.ts";
import { Repeater } from "./repeater.ts";
import { ServerClock } from "./server-clock.ts";
import { resolveServerSettings, type ServerSettings } from "./settings.ts";
import { Tally } from "./tally.ts";

const SYSTEM: ServerSources = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  randomBytes: (count) => randomBytes(count),
};

/**
 * Starts a server that gives devices their ports.
 *
 * @throws MuxError `ERR_MUX_OPTION`; `ERR_MUX_LISTEN` when the port cannot be had
 */
export async function createMuxServer(options: MuxServerOptions): Promise<MuxServer> {
  const settings = resolveServerSettings(options);
  const sources = { ...SYSTEM, ...options.sources };
  const judges = openJudges(settings, sources);
  options.signal?.throwIfAborted();
  const socket = options.socket ?? (await bindSocket(options.host, options.port ?? CLIENT.port));
  const server = new Server(socket, judges, settings, sources, options);
  if (options.signal?.aborted === true) {
    await server.close();
    options.signal.throwIfAborted();
  }
  return server;
}

/** Who judges packets of which version. */
interface Judges {
  readonly v1: Judge | undefined;
  readonly v2: Judge | undefined;
}

function openJudges(settings: ServerSettings, sources: ServerSources): Judges {
  const { versions, secrets, windowMs } = settings;
  const gate = new Gate(settings, sources.elapsed);
  const random = sources.randomBytes;
  const clock = new ServerClock(sources);
  return {
    v1: versions.has(1) ? new JudgeV1(secrets, gate, random) : undefined,
    v2: versions.has(2)
      ? new JudgeV2(new Keyring(secrets), gate, clock, windowMs, random)
      : undefined,
  };
}

/** Packets in, judgements, the registry's ports, packets out. */
class Server implements MuxServer {
  readonly address: string;
  readonly port: number;
  readonly #socket: Socket;
  readonly #judges: Judges;
  readonly #settings: ServerSettings;
  readonly #now: () => number;
  readonly #options: MuxServerOptions;
  readonly #tally = new Tally();
  readonly #repeater: Repeater;
  /** Requests that wait for the registry. */
  readonly #pending = new Set<Promise<void>>();
  #closing: Promise<void> | undefined;

  constructor(
    socket: Socket,
    judges: Judges,
    settings: ServerSettings,
    { now }: ServerSources,
    options: MuxServerOptions,
  ) {
    this.#socket = socket;
    this.#judges = judges;
    this.#settings = settings;
    this.#now = now;
    this.#options = options;
    const { answers, answersWithinMs } = settings;
    // The first goes out at once.
    this.#repeater = new Repeater(retryDelays(answers, answersWithinMs).slice(1), SERVER.repeated);
    ({ address: this.address, port: this.port } = socket.address());
    socket.on("message", this.#onPacket);
    socket.on("error", this.#onError);
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  counters(): MuxCounters {
    return this.#tally.snapshot();
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#socket.off("message", this.#onPacket);
    this.#repeater.clear();
    await Promise.all(this.#pending);
    const closed = once(this.#socket, "close");
    this.#socket.close();
    await closed;
  }

  readonly #onAbort = (): void => void this.close();

  readonly #onError = (error: Error): void => this.#tell({ is: "socket-failed", error });

  readonly #onPacket = (packet: Buffer, from: RemoteInfo): void => {
    this.#tally.received++;
    const judgement = this.#judge(packet, from.address);
    if (judgement.is === "dropped") {
      this.#tally.dropped[judgement.why]++;
      return;
    }
    const { asked } = judgement;
    if (asked.isForTime) {
      this.#answer(asked, { status: "time" }, from);
    } else if (this.#pending.size >= SERVER.pending) {
      this.#tally.dropped.busy++;
    } else {
      const serving = this.#serve(asked, from);
      this.#pending.add(serving);
      void serving.finally(() => this.#pending.delete(serving));
    }
  };

  /** Requests of version 2 have a length that those of version 1 cannot have. */
  #judge(packet: Buffer, address: string): Judgement {
    const { v1, v2 } = this.#judges;
    const judge = packet.length === VERSION_2.request ? v2 : v1;
    return judge?.judge(packet, address) ?? dropped("noise");
  }

  /** Never rejects. */
  async #serve(asked: Asked, from: RemoteInfo): Promise<void> {
    const { version, identity, forwardings } = asked;
    const place = { host: plainAddress(from.address), port: from.port };
    const asker: Asker = { version, identity, forwardings, from: place };
    const reply = await this.#decide(asker);
    if (this.#closing === undefined) this.#answer(asked, reply, from);
  }

  /** What becomes of a request, told to the log. */
  async #decide(asker: Asker): Promise<Reply> {
    try {
      if (asker.forwardings > this.#settings.forwardings) {
        return this.#refuse(asker, "too-many-forwardings");
      }
      const decision = (await this.#options.decide?.(asker)) ?? "grant";
      if (decision === "refuse") return this.#refuse(asker, "identity-refused");
      if (decision !== "grant") {
        assertRedirect(decision.redirect);
        return { ...this.#refuse(asker, "redirect"), redirect: decision.redirect };
      }
      return await this.#allocate(asker);
    } catch (error) {
      const isExhausted = error instanceof MuxError && error.code === "ERR_MUX_RANGE_EXHAUSTED";
      return this.#refuse(asker, isExhausted ? "range-exhausted" : "unavailable", error);
    }
  }

  async #allocate(asker: Asker): Promise<Reply> {
    const { identity, forwardings, from } = asker;
    const ports = await this.#options.registry.allocate({
      identity,
      forwardings,
      range: this.#options.portRange,
      address: from.host,
      now: this.#now(),
    });
    this.#tell({ is: "granted", asker, ports });
    const { sshPort, fingerprints } = this.#settings;
    return { status: "granted", ports, sshPort, fingerprints };
  }

  #refuse(
    asker: Asker,
    status: Extract<MuxServerEvent, { readonly is: "refused" }>["status"],
    error?: unknown,
  ): Reply {
    this.#tell({ is: "refused", asker, status, ...(error === undefined ? {} : { error }) });
    return { status };
  }

  /** Sends an answer, and its copies until the device asks anew from the same place. */
  #answer(asked: Asked, reply: Reply, from: RemoteInfo): void {
    const place = { host: plainAddress(from.address), port: from.port };
    const packet = asked.answer({ ...reply, address: place });
    if (packet === undefined) return;
    this.#tally.answered[reply.status]++;
    this.#send(packet, from);
    this.#repeater.repeat(`${asked.identity} ${from.address} ${from.port}`, () => {
      this.#tally.repeated++;
      this.#send(packet, from);
    });
  }

  #send(packet: Uint8Array, { address, port }: RemoteInfo): void {
    this.#socket.send(packet, port, address, (error) => {
      if (error === null) return;
      this.#tally.unsent++;
      this.#tell({ is: "send-failed", to: { host: plainAddress(address), port }, error });
    });
  }

  #tell(event: MuxServerEvent): void {
    this.#options.onEvent?.(event);
  }
}
