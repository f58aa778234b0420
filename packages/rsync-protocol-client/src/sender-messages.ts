import { type Message, protocolError, TAG, type Wire } from "@dialhome/rsync-protocol";
import type { Tally } from "./tally.ts";

/** What the peer says beside the data. */
export function hear(
  wire: Wire,
  tally: Tally,
  { tag, payload }: Message,
  notSent: (ndx: number) => void,
): void {
  const text = (): string => payload.toString("latin1").replace(/\n$/, "");
  switch (tag) {
    case TAG.ERROR_XFER:
      tally.problem(text(), true);
      break;
    case TAG.ERROR:
      tally.message({ level: "error", text: text(), fromPeer: true });
      break;
    case TAG.WARNING:
      tally.message({ level: "warning", text: text(), fromPeer: true });
      break;
    case TAG.INFO:
      tally.message({ level: "info", text: text(), fromPeer: true });
      break;
    case TAG.IO_ERROR:
      tally.ioError |= payload.readInt32LE() & 7;
      break;
    case TAG.IO_TIMEOUT:
      lowerTimeout(wire, payload.readInt32LE());
      break;
    case TAG.NO_SEND:
      notSent(payload.readInt32LE());
      break;
    default:
      throw protocolError(`message ${tag}, which no sender has to say`);
  }
}

/** A daemon tells its own timeout, so that keepalives come in time. Nonsense is ignored. */
function lowerTimeout(wire: Wire, seconds: number): void {
  if (seconds < 1 || seconds > 86_400) return;
  if (wire.timeoutMs === 0 || wire.timeoutMs > seconds * 1000) wire.setTimeout(seconds * 1000);
}
