import type { TunnelConnection, TunnelServerEvent } from "@dialhome/ssh-reverse";

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
    default:
      throw new Error(`no such event: ${String(event satisfies never)}`);
  }
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
