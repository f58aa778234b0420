import { setTimeout as delay } from "node:timers/promises";
import {
  type AuthorizedKeys,
  authorize,
  isListenPermitted,
  parseAuthorizedKeys,
} from "@dialhome/authorized-keys";
import type { LoginNo, LoginRequest } from "@dialhome/ssh-endpoint";
import { SERVER } from "./constants.ts";
import type { KeyWords, TunnelConnection } from "./identity.ts";
import { KeyFile, type KeyListEvent } from "./key-file.ts";
import type { AuthorizedKeysSource } from "./options.ts";

/** The lines by which a server lets in: those of a file or of a text. */
export interface KeyList extends AsyncDisposable {
  /** The list in force now; of a file after a look at it. */
  readonly fresh: () => Promise<AuthorizedKeys>;
  /** The list in force at the last look. */
  readonly keys: AuthorizedKeys;
}

/** Opens a list. @throws SshReverseError `ERR_SSH_REVERSE_AUTHORIZED_KEYS` */
export async function openKeyList(
  source: AuthorizedKeysSource,
  pollMs: number,
  onEvent: (event: KeyListEvent) => void,
  onChange: () => void,
): Promise<KeyList> {
  if ("text" in source) {
    const keys = parseAuthorizedKeys(source.text);
    return { keys, fresh: async () => keys, [Symbol.asyncDispose]: async () => undefined };
  }
  return KeyFile.open(source.path, {
    pollMs,
    restMs: SERVER.keyRestMs,
    restTimeoutMs: SERVER.keyRestTimeoutMs,
    pause: (ms, signal) => delay(ms, undefined, { signal }).catch(() => {}), // rejects when it ends early
    onEvent,
    onChange,
  });
}

/** What the lines say to a key: its words, or why it is not let in, which the owner of a key that has a line is told. */
export function askLines(
  keys: AuthorizedKeys,
  { key, address }: Pick<LoginRequest, "key" | "address">,
): KeyWords | LoginNo {
  const found = authorize(keys, { keyBlob: key.blob, address, now: Date.now() });
  if (found.admitted) {
    return { line: found.line, comment: found.entry.comment, options: found.entry.options };
  }
  const reasons = found.refusals.map(({ line, reason }) => `line ${line}: ${reason}`);
  if (reasons.length === 0) return { refused: "the key is not known" };
  const why = new Set(found.refusals.map(({ reason }) => reason));
  return { refused: reasons.join("; "), tell: `this key is not let in: ${[...why].join("; ")}` };
}

/** What another list means for a connection: its end and why, or the words that count from now on. */
export type SecondLook =
  | { readonly code: "key-removed" | "line-changed"; readonly why: string }
  | { readonly options: KeyWords["options"] };

/** Looks at a connection again under another list. */
export function lookAgainAt(keys: AuthorizedKeys, connection: TunnelConnection): SecondLook {
  const words = askLines(keys, connection.login);
  if ("refused" in words) {
    return { code: "key-removed", why: "this key is no longer let in" };
  }
  const { options } = words;
  const mayKeep = connection.forwards.every((forward) =>
    "socketPath" in forward
      ? mayForwardSockets(options)
      : isListenPermitted(options, forward.bindAddress, forward.port),
  );
  return mayKeep
    ? { options }
    : { code: "line-changed", why: "this key may no longer forward what it does" };
}

/** Whether a line permits forwarded unix sockets. sshd's `permitlisten` names ports: a line with it has no sockets. */
export function mayForwardSockets(options: KeyWords["options"]): boolean {
  return options.allow.portForwarding && options.permitListen.length === 0;
}
