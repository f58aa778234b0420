import { inspectPackets } from "./ssh2-internals.ts";

/** First number of the connection protocol (RFC 4250 §4.1.2). */
const FIRST_OF_CONNECTION = 80;
const MSG_GLOBAL_REQUEST = 80;
/** What a server of OpenSSH's says of its other keys (PROTOCOL, 2.5). */
const HOST_KEYS = Buffer.from("hostkeys-00@openssh.com");
/** Behind the number of the message, and the length of the name. */
const NAME_AT = 1 + 4;
/** No message has this number: ssh2 passes over it. */
const NOTHING: Buffer = Buffer.of(0);

/**
 * Keeps from ssh2 what it would take apart before anybody is asked:
 *
 * - messages of the connection protocol before the login is through, which RFC 4252 §6 forbids, and ssh2 answers;
 * - the keys in a `hostkeys-00@openssh.com`: ssh2 reads each, which for the thousands in one packet takes a tenth of a second, and nobody wants them.
 *
 * @param onEarly - a message came before the login was through
 */
export function guardPackets(peer: object, onEarly: () => void): void {
  inspectPackets(peer, (payload, isLoggedIn) => {
    const [type = 0] = payload;
    if (type < FIRST_OF_CONNECTION) return payload;
    if (!isLoggedIn) {
      onEarly();
      return NOTHING;
    }
    return type === MSG_GLOBAL_REQUEST ? withoutHostKeys(payload) : payload;
  });
}

function withoutHostKeys(payload: Buffer): Buffer {
  const end = NAME_AT + HOST_KEYS.length;
  const isMeant =
    payload.length > end &&
    payload.readUInt32BE(1) === HOST_KEYS.length &&
    payload.subarray(NAME_AT, end).equals(HOST_KEYS);
  return isMeant ? payload.subarray(0, end + 1) : payload;
}
