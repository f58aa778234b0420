import { randomBytes } from "node:crypto";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { CLIENT, VERSION_2 } from "../constants.ts";
import { plainAddress } from "../ip-address.ts";
import { MuxError } from "../mux-error.ts";
import { retryDelays } from "../retry-delays.ts";
import type { Endpoint } from "../version-2/answer-items.ts";
import { isCredentialText, parseCredential } from "../version-2/credential-text.ts";
import { type Credential, deriveCredential } from "../version-2/keys.ts";
import type { Dialogue } from "./dialogue.ts";
import { DialogueV1 } from "./dialogue-v1.ts";
import { DialogueV2 } from "./dialogue-v2.ts";
import type { ClientSources, Negotiated, NegotiateOptions } from "./options.ts";
import { type Family, type Sender, SocketPair } from "./socket-pair.ts";

const SYSTEM: ClientSources = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  randomBytes: (count) => randomBytes(count),
  lookup: async (host) => lookup(host, { all: true, verbatim: true }),
};

/**
 * Asks a server for this device's ports. Packets go out in rounds, each of them to an address of either family; the first valid answer
 * counts. When the promise is settled, nothing is left open.
 *
 * @throws MuxError `ERR_MUX_OPTION`; `ERR_MUX_TIMEOUT` without an answer; `ERR_MUX_RANGE_EXHAUSTED`, `ERR_MUX_REFUSED` or `ERR_MUX_UNAVAILABLE` as the server says
 */
export async function negotiate(options: NegotiateOptions): Promise<Negotiated> {
  const { attempts = CLIENT.attempts, timeoutMs = CLIENT.timeoutMs, signal } = options;
  assertWithin("attempts", attempts, 1, CLIENT.attemptsMost);
  if (!(timeoutMs > 0 && timeoutMs <= CLIENT.timeoutMostMs)) {
    throw new MuxError("ERR_MUX_OPTION", `a timeout of ${timeoutMs} ms`);
  }
  const sources = { ...SYSTEM, ...options.sources };
  const dialogue = openDialogue(options, sources);
  signal?.throwIfAborted();
  await using negotiation = new Negotiation(options, dialogue, sources);
  return await negotiation.run(retryDelays(attempts + 1, timeoutMs), signal);
}

function openDialogue(options: NegotiateOptions, sources: ClientSources): Dialogue {
  const { secret, identity, version = 2, forwardings = 1, clockOffsetMs = 0 } = options;
  assertWithin("forwardings", forwardings, 1, version === 1 ? 1 : VERSION_2.forwardingsMost);
  if (version === 2) {
    const credential = credentialOf(secret, identity);
    return new DialogueV2(credential, { forwardings, clockOffsetMs }, sources);
  }
  if (identity === undefined) throw noIdentity();
  return new DialogueV1(Buffer.from(identity), Buffer.from(secret), sources.randomBytes(16));
}

function credentialOf(
  secret: string | Uint8Array,
  identity: string | Uint8Array | undefined,
): Credential {
  if (typeof secret === "string" && isCredentialText(secret)) return parseCredential(secret);
  if (identity === undefined) throw noIdentity();
  return deriveCredential(secret, Buffer.from(identity));
}

/** One negotiation under way. */
class Negotiation implements AsyncDisposable {
  readonly #dialogue: Dialogue;
  readonly #lookup: ClientSources["lookup"];
  readonly #sockets = new SocketPair((packet, from) => this.#hear(packet, from));
  readonly #over = new AbortController();
  #target: Endpoint;
  #redirects = 0;
  #rounds = 0;
  /** The last of what kept packets from going out, for the case that nothing else comes. */
  #problem: unknown;
  #settle: ((outcome: Negotiated | MuxError) => void) | undefined;

  constructor(
    { host, port = CLIENT.port }: NegotiateOptions,
    dialogue: Dialogue,
    { lookup: find }: ClientSources,
  ) {
    this.#target = { host, port };
    this.#dialogue = dialogue;
    this.#lookup = find;
  }

  /** @param delays - before each round, and then until the end */
  async run(delays: readonly number[], signal: AbortSignal | undefined): Promise<Negotiated> {
    const settled = new Promise<Negotiated | MuxError>((resolve) => {
      this.#settle = resolve;
    });
    const stop = (): void => this.#over.abort();
    signal?.addEventListener("abort", stop, { once: true });
    try {
      const outcome = await Promise.race([settled, this.#askInRounds(delays)]);
      signal?.throwIfAborted();
      if (outcome instanceof MuxError) throw outcome;
      return outcome;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#sockets[Symbol.asyncDispose]();
  }

  /** Resolves when the time is up, or at once when it is all over. */
  async #askInRounds(delays: readonly number[]): Promise<MuxError> {
    const { signal: over } = this.#over;
    try {
      for (const [round, delay] of delays.entries()) {
        await pause(delay, undefined, { signal: over });
        // After the last pause there is no round any more. A name server that hangs does not hold up the next one.
        if (round < delays.length - 1) this.#ask();
      }
    } catch (error) {
      if (!over.aborted) throw error;
    }
    return this.#timeoutError();
  }

  /** One round, beside everything else: what goes wrong is kept. */
  #ask(): void {
    const round = this.#rounds++;
    this.#askAll(this.#target, round).catch((error: unknown) => {
      // What a server said says more.
      if (!(this.#problem instanceof MuxError)) this.#problem = error;
    });
  }

  async #askAll({ host, port }: Endpoint, round: number): Promise<void> {
    const addresses = await this.#addressesOf(host);
    if (this.#over.signal.aborted) return;
    const families: readonly Family[] = [6, 4];
    const sends = families.flatMap((family) => {
      const ofFamily = addresses
        .filter((one) => one.family === family)
        .slice(0, CLIENT.addressesMost);
      const chosen = ofFamily[round % ofFamily.length];
      if (chosen === undefined) return [];
      return this.#dialogue
        .packets(round)
        .map(async (packet) => this.#sockets.send(packet, family, chosen.address, port));
    });
    const results = await Promise.allSettled(sends);
    // A machine without IPv6 is no problem as long as there is another way.
    if (results.some((result) => result.status === "fulfilled")) return;
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  async #addressesOf(host: string): ReturnType<ClientSources["lookup"]> {
    const family = isIP(host);
    return family === 0 ? this.#lookup(host) : [{ address: host, family }];
  }

  #hear(packet: Buffer, from: Sender): void {
    const heard = this.#dialogue.hear(packet);
    switch (heard.is) {
      case "noise":
        return;
      case "granted": {
        const server = { host: plainAddress(from.address), port: from.port };
        this.#settle?.({ ...heard.grant, server, host: this.#target.host });
        return;
      }
      case "refused":
        this.#settle?.(heard.error);
        return;
      case "unavailable":
        this.#problem = heard.error;
        return;
      case "ask-again":
        this.#ask();
        return;
      case "ask-elsewhere":
        this.#goTo(heard.endpoint);
        return;
    }
  }

  #goTo(endpoint: Endpoint): void {
    const { host, port } = this.#target;
    // A copy of what was heard already.
    if (endpoint.host === host && endpoint.port === port) return;
    if (this.#redirects++ === CLIENT.redirectsMost) {
      const message = `more than ${CLIENT.redirectsMost} servers, each sending on to the next`;
      const limit = CLIENT.redirectsMost;
      this.#settle?.(new MuxError("ERR_MUX_REFUSED", message, { limit }));
      return;
    }
    this.#target = endpoint;
    this.#ask();
  }

  #timeoutError(): MuxError {
    if (this.#problem instanceof MuxError) return this.#problem;
    const { host, port } = this.#target;
    const where = `${host.includes(":") ? `[${host}]` : host}:${port}`;
    const why = this.#problem instanceof Error ? ` (${this.#problem.message})` : "";
    const message = `no valid answer from ${where} by UDP${why}`;
    return new MuxError("ERR_MUX_TIMEOUT", message, { cause: this.#problem });
  }
}

function assertWithin(what: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new MuxError("ERR_MUX_OPTION", `${value} ${what}: from ${least} to ${most}`, {
    limit: most,
  });
}

const noIdentity = (): MuxError =>
  new MuxError("ERR_MUX_OPTION", "a master secret needs an identity beside it");
