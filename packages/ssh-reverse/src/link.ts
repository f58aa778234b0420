import { backoffMs, type ReconnectOptions } from "./backoff.ts";

/** Where a tunnel stands. */
export type TunnelState =
  | { readonly is: "connecting"; readonly tries: number }
  /**
   * All forwardings are in force. `ports` has one number for each remote forwarding, `localPorts` for each local one, in their order:
   * the port, also where it was 0 to be chosen; 0 for a unix socket.
   */
  | {
      readonly is: "up";
      readonly since: number;
      readonly ports: readonly number[];
      readonly localPorts: readonly number[];
    }
  /** The next try is at `retryAt` (ms since 1970). */
  | {
      readonly is: "waiting";
      readonly tries: number;
      readonly delayMs: number;
      readonly retryAt: number;
      readonly error: Error;
    }
  /** For good: trying again cannot help. */
  | { readonly is: "failed"; readonly error: Error }
  /** Ended by its owner. */
  | { readonly is: "closed" };

/** What happened to a tunnel. */
export type LinkEvent =
  | {
      readonly is: "connected";
      readonly ports: readonly number[];
      readonly localPorts: readonly number[];
    }
  | { readonly is: "lost"; readonly error: Error; readonly isFinal: boolean }
  | { readonly is: "woken" }
  | { readonly is: "stopped" };

/** What decides beside the events. */
export interface LinkContext {
  readonly options: Required<ReconnectOptions>;
  /** Now, ms since 1970. */
  readonly now: number;
  /** Gives numbers in [0, 1). */
  readonly random: () => number;
}

/** The tries that count towards the next pause belong to the state while connecting and waiting only. */
export interface Link {
  readonly state: TunnelState;
  /** Failed tries since the last healthy link. */
  readonly failures: number;
}

/** A tunnel that is about to try for the first time. */
export const START: Link = { state: { is: "connecting", tries: 0 }, failures: 0 };

/** The next state. Pure: the shell connects when it is `connecting` and wakes it at `retryAt`. */
export function nextLink(link: Link, event: LinkEvent, context: LinkContext): Link {
  const { state, failures } = link;
  if (state.is === "failed" || state.is === "closed") return link;
  switch (event.is) {
    case "stopped":
      return { state: { is: "closed" }, failures };
    case "connected":
      return {
        state: { is: "up", since: context.now, ports: event.ports, localPorts: event.localPorts },
        failures,
      };
    case "woken":
      return state.is === "waiting"
        ? { state: { is: "connecting", tries: failures }, failures }
        : link;
    case "lost": {
      if (event.isFinal) return { state: { is: "failed", error: event.error }, failures };
      // Not "connected" but "stayed up" proves a link: a server that lets in and throws out is not hammered.
      const wasHealthy =
        state.is === "up" && context.now - state.since >= context.options.steadyAfterMs;
      const before = wasHealthy ? 0 : failures;
      // After a long healthy run at once: its end says nothing about the next.
      const delayMs = wasHealthy ? 0 : backoffMs(before, context.options, context.random);
      const waiting: TunnelState = {
        is: "waiting",
        tries: before + 1,
        delayMs,
        retryAt: context.now + delayMs,
        error: event.error,
      };
      return { state: waiting, failures: before + 1 };
    }
    default:
      return link;
  }
}
