import type { TunnelServerEvent } from "@dialhome/ssh-reverse";
import { reasonOf } from "../errors.ts";
import { printable } from "../terminal/printable.ts";

/** An event as a line for people. */
export interface DescribedEvent {
  /** `warning`: somebody should know. `detail`: only for those who look for something. */
  readonly level: "warning" | "notice" | "detail";
  readonly text: string;
}

/** What happened on a tunnel server or a backup host, in one line without control characters. */
export function describeEvent(event: TunnelServerEvent): DescribedEvent {
  const [level, text] = wordsFor(event);
  return { level, text: printable(text) };
}

function wordsFor(event: TunnelServerEvent): [DescribedEvent["level"], string] {
  switch (event.is) {
    case "dropped":
      return ["detail", `${event.address}: dropped, ${event.why}`];
    case "login-refused":
      return ["detail", `${event.address}: login refused, ${JSON.stringify(event.refusal)}`];
    case "login-ended":
      return ["detail", `${event.address}: gone before its login${because(event.why)}`];
    case "connection":
      return wordsForConnection(event);
    case "opened":
      return ["notice", `${whoIs(event)}: logged in with ${event.connection.identity.fingerprint}`];
    case "closed":
      return ["notice", `${whoIs(event)}: gone${because(event.error?.message ?? "")}`];
    case "keys":
      return ["notice", `${event.keys} ${event.keys === 1 ? "key is" : "keys are"} let in`];
    case "keys-line":
      return ["warning", `line ${event.line} of the authorized keys lets nobody in: ${event.why}`];
    case "keys-kept":
      return ["warning", `the authorized keys stay as they were: ${event.why}`];
    case "replaced":
      return [
        "notice",
        `${whoIs(event)}: replaced by its connection from ${event.by.login.address}`,
      ];
    case "ended":
      return ["notice", `${whoIs(event)}: ended, ${event.why}`];
    case "served":
      return [
        "detail",
        `${whoIs(event)}: ${event.address || "a local program"} was served, ${event.bytesIn} bytes from the device, ` +
          `${event.bytesOut} to it${because(event.error?.message ?? "")}`,
      ];
    case "identified": {
      const { device, port, isFirstUse } = event;
      const who = `${whoIs(event)}: is ${device.label ?? device.identity} by its port ${port}`;
      return isFirstUse ? ["notice", `${who}, and its key is bound to it`] : ["detail", who];
    }
    case "registry-failed":
      return [
        "warning",
        `${whoIs(event)}: port ${event.port} refused${because(textOf(event.error))}`,
      ];
    case "mux":
      return wordsForMux(event.event);
    default:
      throw new Error(`no such event: ${String(event satisfies never)}`);
  }
}

function wordsForMux(
  event: Extract<TunnelServerEvent, { is: "mux" }>["event"],
): [DescribedEvent["level"], string] {
  switch (event.is) {
    case "granted": {
      const { identity, from } = event.asker;
      return ["detail", `${from.host}: told port ${event.ports.join(", ")}, it is ${identity}`];
    }
    case "refused": {
      const { identity, from } = event.asker;
      const why = because(textOf(event.error));
      return ["notice", `${from.host}: told no port (${event.status}), it is ${identity}${why}`];
    }
    case "socket-failed":
      return ["warning", `the mux server's socket${because(event.error.message)}`];
    case "send-failed":
      return ["detail", `${event.to.host}: no answer could be sent${because(event.error.message)}`];
    default:
      throw new Error(`no such event: ${String(event satisfies never)}`);
  }
}

function wordsForConnection(
  event: Extract<TunnelServerEvent, { is: "connection" }>,
): [DescribedEvent["level"], string] {
  const { event: what } = event;
  switch (what.is) {
    case "forwarded":
    case "unforwarded": {
      const verb = what.is === "forwarded" ? "forwards" : "no longer forwards";
      const which = "port" in what ? `port ${what.port}` : what.socketPath;
      return ["detail", `${whoIs(event)}: ${verb} ${which}`];
    }
    case "refused":
      return ["notice", `${whoIs(event)}: refused ${what.what}, ${what.why}`];
    case "handler-failed":
      return ["warning", `${whoIs(event)}: ${what.what} failed${because(String(what.error))}`];
    default:
      throw new Error(`no such event: ${String(what satisfies never)}`);
  }
}

function whoIs({
  connection,
}: Pick<Extract<TunnelServerEvent, { is: "opened" }>, "connection">): string {
  return `${connection.identity.id} (${connection.login.address})`;
}

function textOf(error: unknown): string {
  if (error === undefined) return "";
  return reasonOf(error);
}

function because(why: string): string {
  return why === "" ? "" : `: ${why}`;
}
