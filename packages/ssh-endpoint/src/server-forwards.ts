import { BOUNDS } from "./constants.ts";
import type { IncomingGlobalRequest } from "./global-requests.ts";

/** A client's wish for a forwarding (`ssh -R`), as it came. */
export interface ForwardWish {
  /** `""` all addresses, `localhost` loopback, or any other text. */
  readonly bindAddress: string;
  /** 0: any port. */
  readonly bindPort: number;
}

/** A client's wish for a forwarded unix socket (`ssh -R /path:…`), as it came. */
export interface StreamForwardWish {
  readonly socketPath: string;
}

/** Called once when a forwarding ends: cancelled by the client (its channels stay), or with its connection. */
export type CloseForward = (why: "cancelled" | "ended") => void | Promise<void>;

/** A wish is not granted. The text is for the client: `ssh -v` shows it, and every `ssh` does where the server hangs up. */
export interface ForwardRefusal {
  readonly refused: string;
  /** Ends the connection with the text: without its forwarding it is of no use to anybody. @defaultValue false */
  readonly hangUp?: boolean;
}

/** What a server answers to {@link ForwardWish}. */
export type ForwardAnswer =
  | {
      /** The port that the client is told; where it asked for 0, any number that the embedder knows it by. */
      readonly port: number;
      readonly close?: CloseForward;
    }
  | ForwardRefusal;

/** What a server answers to {@link StreamForwardWish}. */
export type StreamForwardAnswer = { readonly close?: CloseForward } | ForwardRefusal;

/** A forwarding in force on a server's connection, with address or path as the client wrote it. */
export type ServerForward =
  | { readonly bindAddress: string; readonly port: number }
  | { readonly socketPath: string };

/** @internal What the forwardings of a connection need of it. */
export interface ForwardingHost {
  /** Most forwardings at once. */
  readonly most: number;
  readonly isOver: () => boolean;
  readonly onTcp: ((wish: ForwardWish) => ForwardAnswer | Promise<ForwardAnswer>) | undefined;
  readonly onStream:
    | ((wish: StreamForwardWish) => StreamForwardAnswer | Promise<StreamForwardAnswer>)
    | undefined;
  readonly onForwarded: (forward: ServerForward) => void;
  readonly onUnforwarded: (forward: ServerForward) => void;
  /** Told to the log, and to the client. */
  readonly onRefused: (what: string, refusal: ForwardRefusal) => void;
  /** Runs an embedder's handler; its failure is told, and then `cleanUp` called. Never rejects. */
  readonly run: (
    what: string,
    act: () => void | Promise<void>,
    cleanUp: () => void,
  ) => Promise<void>;
}

interface HeldForward {
  readonly forward: ServerForward;
  readonly close: CloseForward | undefined;
}

interface Grant {
  readonly forward: ServerForward;
  readonly close: CloseForward | undefined;
  readonly reply?: Buffer;
}

/** @internal The forwardings that one client asked for: wishes, grants, and their ends. */
export class ServerForwards {
  readonly #host: ForwardingHost;
  readonly #held = new Map<string, HeldForward>();
  readonly #closing = new Set<Promise<void>>();
  #undecided = 0;

  constructor(host: ForwardingHost) {
    this.#host = host;
  }

  get list(): readonly ServerForward[] {
    return [...this.#held.values()].map(({ forward }) => forward);
  }

  /** Whether a forwarding is in force. */
  has(forward: ServerForward): boolean {
    return this.#held.has(keyOf(forward));
  }

  /** Takes a request for a forwarding, or for its end. */
  requested(request: IncomingGlobalRequest): void {
    switch (request.name) {
      case "tcpip-forward":
        this.#tcp(request);
        break;
      case "streamlocal-forward@openssh.com":
        this.#stream(request);
        break;
      case "cancel-tcpip-forward":
        this.#cancel(request, tcpWishOf(request.data));
        break;
      default:
        this.#cancel(request, streamWishOf(request.data));
    }
  }

  /** The connection is over: whatever is in force ends, at once. */
  end(): void {
    for (const [key, held] of this.#held) this.#close(key, held, "ended");
  }

  /** Resolves when all that ended is closed; never rejects. */
  async closed(): Promise<void> {
    await Promise.all(this.#closing);
  }

  #tcp(request: IncomingGlobalRequest): void {
    const wish = tcpWishOf(request.data);
    const what = `forwarding of ${wish?.bindAddress ?? ""}:${wish?.bindPort ?? ""}`;
    const { onTcp } = this.#host;
    if (onTcp === undefined) return this.#refuse(request, what, { refused: "not offered" });
    if (wish === undefined) return this.#refuse(request, what, { refused: "no address and port" });
    const asked = { bindAddress: wish.bindAddress, port: wish.bindPort };
    return this.#decide(request, what, asked, async () => {
      const answer = await onTcp(wish);
      if ("refused" in answer) return answer;
      const data = Buffer.alloc(4);
      data.writeUInt32BE(answer.port);
      return {
        forward: { bindAddress: wish.bindAddress, port: answer.port },
        close: answer.close,
        ...(wish.bindPort === 0 ? { reply: data } : {}),
      };
    });
  }

  #stream(request: IncomingGlobalRequest): void {
    const wish = streamWishOf(request.data);
    const what = `forwarding of ${wish?.socketPath ?? "a unix socket"}`;
    const { onStream } = this.#host;
    if (onStream === undefined) return this.#refuse(request, what, { refused: "not offered" });
    if (wish === undefined) return this.#refuse(request, what, { refused: "no path" });
    return this.#decide(request, what, wish, async () => {
      const answer = await onStream(wish);
      if ("refused" in answer) return answer;
      return { forward: wish, close: answer.close };
    });
  }

  #decide(
    request: IncomingGlobalRequest,
    what: string,
    asked: ServerForward,
    decide: () => Promise<Grant | ForwardRefusal>,
  ): void {
    const { most } = this.#host;
    // Hazard H13: without a cap one client asks for forwardings without end.
    if (this.#held.size + this.#undecided >= most) {
      this.#refuse(request, what, { refused: `more than ${most}` });
      return;
    }
    if (this.has(asked)) {
      this.#refuse(request, what, { refused: "in force already" });
      return;
    }
    this.#undecided++;
    const act = async (): Promise<void> => {
      try {
        const answer = await decide();
        if ("refused" in answer) this.#refuse(request, what, answer);
        else this.#grant(request, answer);
      } finally {
        this.#undecided--;
      }
    };
    void this.#host.run("forwarding", act, () => request.reply(false));
  }

  #grant(request: IncomingGlobalRequest, { forward, close, reply }: Grant): void {
    const key = keyOf(forward);
    if (this.#host.isOver() || this.#held.has(key)) {
      this.#run(async () => close?.("ended"));
      request.reply(false);
      return;
    }
    this.#held.set(key, { forward, close });
    request.reply(true, reply);
    this.#host.onForwarded(forward);
  }

  #refuse(request: IncomingGlobalRequest, what: string, refusal: ForwardRefusal): void {
    this.#host.onRefused(what, refusal);
    request.reply(false);
  }

  #cancel(request: IncomingGlobalRequest, wish: ForwardWish | StreamForwardWish | undefined): void {
    const key =
      wish === undefined
        ? ""
        : keyOf(
            "socketPath" in wish ? wish : { bindAddress: wish.bindAddress, port: wish.bindPort },
          );
    const held = this.#held.get(key);
    if (held === undefined) request.reply(false);
    else this.#close(key, held, "cancelled", () => request.reply(true));
  }

  #close(key: string, held: HeldForward, why: "cancelled" | "ended", then?: () => void): void {
    this.#held.delete(key);
    this.#run(async () => {
      await held.close?.(why);
      then?.();
    });
    this.#host.onUnforwarded(held.forward);
  }

  /** Closes what belonged to a forwarding; {@link closed} waits for it, so that no listener is left. */
  #run(close: () => Promise<void>): void {
    const closing = this.#host.run("closing a forwarding", close, () => {});
    this.#closing.add(closing);
    void closing.finally(() => this.#closing.delete(closing));
  }
}

function keyOf(forward: ServerForward): string {
  return "socketPath" in forward
    ? `unix ${forward.socketPath}`
    : `${forward.port} ${forward.bindAddress}`;
}

function tcpWishOf(data: unknown): ForwardWish | undefined {
  if (typeof data !== "object" || data === null) return undefined;
  const bindAddress: unknown = Reflect.get(data, "bindAddr");
  const bindPort: unknown = Reflect.get(data, "bindPort");
  if (typeof bindAddress !== "string" || bindAddress.length > BOUNDS.nameLength) return undefined;
  if (typeof bindPort !== "number" || bindPort > 65_535) return undefined;
  return { bindAddress, bindPort };
}

function streamWishOf(data: unknown): StreamForwardWish | undefined {
  if (typeof data !== "object" || data === null) return undefined;
  const socketPath: unknown = Reflect.get(data, "socketPath");
  if (typeof socketPath !== "string" || socketPath.length > BOUNDS.nameLength) return undefined;
  return socketPath === "" ? undefined : { socketPath };
}
