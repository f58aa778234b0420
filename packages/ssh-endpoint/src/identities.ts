import { readFile } from "node:fs/promises";
import type ssh2 from "ssh2";
import { SshEndpointError } from "./errors.ts";
import {
  type PassphraseSource,
  type PrivateKey,
  type PrivateKeyText,
  parsePrivateKey,
} from "./private-key.ts";

/** One way to prove who the user is; a list of them is tried in order. */
export type AuthMethod =
  /** A private key as text or bytes. */
  | {
      readonly privateKey: PrivateKeyText;
      readonly passphrase?: PassphraseSource;
      /** How messages call it. @defaultValue "the private key" */
      readonly name?: string;
    }
  /** A private key in a file. */
  | { readonly privateKeyPath: string; readonly passphrase?: PassphraseSource }
  /** The keys of an agent, by the path of its socket (`SSH_AUTH_SOCK`). */
  | { readonly agent: string };

/** A method with its key read. */
export type Identity =
  | { readonly is: "key"; readonly name: string; readonly key: PrivateKey }
  | { readonly is: "agent"; readonly name: string; readonly path: string };

/** Reads the keys. @throws SshEndpointError `…_KEY`, `…_PASSPHRASE`, `…_OPTION` */
export async function openIdentities(
  auth: AuthMethod | readonly AuthMethod[],
): Promise<readonly Identity[]> {
  const methods: readonly AuthMethod[] = "length" in auth ? auth : [auth];
  if (methods.length === 0) {
    throw new SshEndpointError("ERR_SSH_ENDPOINT_OPTION", "no key and no agent is given");
  }
  const identities: Identity[] = [];
  for (const method of methods) identities.push(await openIdentity(method));
  return identities;
}

async function openIdentity(method: AuthMethod): Promise<Identity> {
  if ("agent" in method) return { is: "agent", name: `agent ${method.agent}`, path: method.agent };
  if ("privateKey" in method) {
    const name = method.name ?? "the private key";
    return {
      is: "key",
      name,
      key: await parsePrivateKey(method.privateKey, name, method.passphrase),
    };
  }
  const name = method.privateKeyPath;
  let text: string;
  try {
    text = await readFile(name, "utf8");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SshEndpointError("ERR_SSH_ENDPOINT_KEY", `cannot read the private key: ${why}`, {
      source: name,
      cause,
    });
  }
  return { is: "key", name, key: await parsePrivateKey(text, name, method.passphrase) };
}

/** What ssh2 asks for its next try. */
export type LoginTries = () => ssh2.AnyAuthMethod | false;

/** Hands the identities to ssh2 one by one. */
export function loginTries(identities: readonly Identity[], username: string): LoginTries {
  const left = [...identities];
  return () => {
    const next = left.shift();
    if (next === undefined) return false;
    return next.is === "key"
      ? { type: "publickey", username, key: next.key.parsed }
      : { type: "agent", username, agent: next.path };
  };
}

/** The identities in words, for the message that none was taken. */
export function describeIdentities(identities: readonly Identity[]): string {
  return identities
    .map((one) => (one.is === "key" ? `${one.name} (${one.key.fingerprint})` : one.name))
    .join(", ");
}
