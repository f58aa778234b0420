import type { TunnelConnection, TunnelServerEvent } from "@dialhome/ssh-reverse";
import { reasonOf } from "../errors.ts";

/** An event as flat, plain data: a line of the log. */
export function factsOf(event: TunnelServerEvent): Readonly<Record<string, unknown>> {
  switch (event.is) {
    case "dropped":
      return { event: "dropped", address: event.address, why: event.why };
    case "login-refused":
      return { event: "login-refused", address: event.address, ...event.refusal };
    case "login-ended":
      return { event: "login-ended", address: event.address, why: event.why };
    case "connection": {
      const { is, ...facts } = event.event;
      const plain = "error" in facts ? { ...facts, error: String(facts.error) } : facts;
      return { event: is, ...whoIs(event.connection), ...plain };
    }
    case "opened":
      return { event: "opened", ...whoIs(event.connection), ...loginOf(event.connection) };
    case "closed": {
      const { since, stats } = event.connection;
      return {
        event: "closed",
        ...whoIs(event.connection),
        durationMs: Date.now() - since,
        bytesIn: stats.bytesIn,
        bytesOut: stats.bytesOut,
        ...messageOf(event.error),
      };
    }
    case "replaced":
      return {
        event: "replaced",
        ...whoIs(event.connection),
        by: event.by.login.address,
        ...event.place,
      };
    case "ended":
      return { event: "ended", ...whoIs(event.connection), code: event.code, why: event.why };
    case "served": {
      const { is, connection, place, address, port, error, ...numbers } = event;
      const peer = { peer: address, peerPort: port };
      return { event: is, ...whoIs(connection), place, ...peer, ...numbers, ...messageOf(error) };
    }
    case "keys":
    case "keys-line":
    case "keys-kept": {
      const { is, ...facts } = event;
      return { event: is, ...facts };
    }
    case "identified": {
      const { device, port, isFirstUse } = event;
      return { event: event.is, ...whoIs(event.connection), ...device, port, isFirstUse };
    }
    case "registry-failed":
      return {
        event: event.is,
        ...whoIs(event.connection),
        port: event.port,
        error: reasonOf(event.error),
      };
    case "mux":
      return muxFactsOf(event.event);
    default:
      throw new Error(`no such event: ${String(event satisfies never)}`);
  }
}

function muxFactsOf(
  event: Extract<TunnelServerEvent, { is: "mux" }>["event"],
): Readonly<Record<string, unknown>> {
  switch (event.is) {
    case "granted":
      return { event: "mux-granted", ...askerOf(event.asker), ports: event.ports };
    case "refused": {
      const error = event.error === undefined ? {} : { error: reasonOf(event.error) };
      return { event: "mux-refused", ...askerOf(event.asker), status: event.status, ...error };
    }
    case "socket-failed":
      return { event: "mux-socket-failed", error: event.error.message };
    case "send-failed":
      return { event: "mux-send-failed", address: event.to.host, error: event.error.message };
    default:
      throw new Error(`no such event: ${String(event satisfies never)}`);
  }
}

function askerOf({
  identity,
  version,
  from,
}: {
  readonly identity: string;
  readonly version: number;
  readonly from: { readonly host: string; readonly port: number };
}): Readonly<Record<string, unknown>> {
  return { identity, version, address: from.host, port: from.port };
}

function whoIs({ identity, login }: TunnelConnection): Readonly<Record<string, unknown>> {
  return { id: identity.id, address: login.address };
}

function loginOf({ identity, login }: TunnelConnection): Readonly<Record<string, unknown>> {
  const { user, fingerprint, line, comment, name } = identity;
  return { port: login.port, name, user, fingerprint, line, comment };
}

function messageOf(error: Error | undefined): Readonly<Record<string, unknown>> {
  return error === undefined ? {} : { error: error.message };
}
