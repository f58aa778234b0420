import { readFile } from "node:fs/promises";
import { AuthorizedKeysError, fingerprint, parsePublicKey } from "@dialhome/authorized-keys";
import type ssh2 from "ssh2";
import { SshEndpointError } from "./errors.ts";
import { type KeyFile, readKeyFile } from "./key-file.ts";
import { ChosenAgent, LockedKey, type WhileAsked } from "./login-agents.ts";
import { publicHalfOf } from "./openssh-private-key.ts";
import {
  isEncryptedKey,
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
  /** A private key in a file, which must be open to nobody else (mode 0600): as in ssh it is refused otherwise. */
  | { readonly privateKeyPath: string; readonly passphrase?: PassphraseSource }
  /** The keys of an agent, by the path of its socket (`SSH_AUTH_SOCK`). */
  | {
      readonly agent: string;
      /** Key files (the private ones, or `.pub`) whose keys the agent is to try first. */
      readonly keyFiles?: readonly string[];
      /** Keys of these files alone (ssh's IdentitiesOnly). @defaultValue false */
      readonly only?: boolean;
    };

/** A method with its key read. */
export type Identity =
  | { readonly is: "key"; readonly name: string; readonly key: PrivateKey }
  | {
      readonly is: "locked";
      readonly name: string;
      readonly publicBlob: Uint8Array;
      readonly unlock: () => Promise<PrivateKey>;
    }
  | {
      readonly is: "agent";
      readonly name: string;
      readonly path: string;
      /** Public halves that come first, base64. */
      readonly wanted: readonly string[];
      readonly only: boolean;
    };

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
  if ("agent" in method) {
    const { agent: path, keyFiles = [], only = false } = method;
    const halves = await Promise.all(keyFiles.map(publicHalfOfFile));
    const wanted = halves.flatMap((blob) =>
      blob === undefined ? [] : [Buffer.from(blob).toString("base64")],
    );
    return { is: "agent", name: `agent ${path}`, path, wanted, only };
  }
  if ("privateKey" in method) {
    const name = method.name ?? "the private key";
    return {
      is: "key",
      name,
      key: await parsePrivateKey(method.privateKey, name, method.passphrase),
    };
  }
  const name = method.privateKeyPath;
  let file: KeyFile;
  try {
    file = await readKeyFile(name);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SshEndpointError("ERR_SSH_ENDPOINT_KEY", `cannot read the private key: ${why}`, {
      source: name,
      cause,
    });
  }
  const { text, exposed } = file;
  if (exposed !== undefined) {
    throw new SshEndpointError("ERR_SSH_ENDPOINT_KEY", exposed, { source: name });
  }
  const { passphrase } = method;
  const unlock = async (): Promise<PrivateKey> => parsePrivateKey(text, name, passphrase);
  if (typeof passphrase === "function" && isEncryptedKey(text)) {
    // Nobody is asked before the server has said that it would take the key.
    const publicBlob = publicHalfOf(text) ?? (await publicHalfOfFile(name));
    if (publicBlob !== undefined) return { is: "locked", name, publicBlob, unlock };
  }
  return { is: "key", name, key: await unlock() };
}

/** The public half of the key in a file, from the `.pub` file beside it or from itself; undefined when neither tells. */
async function publicHalfOfFile(path: string): Promise<Uint8Array | undefined> {
  for (const file of [path, `${path}.pub`]) {
    const text = await readFile(file, "utf8").catch(() => "");
    const inside = publicHalfOf(text);
    if (inside !== undefined) return inside;
    try {
      const [type = "", base64 = ""] = text.trim().split(/\s+/, 2);
      return parsePublicKey(`${type} ${base64}`).blob;
    } catch (error) {
      if (!(error instanceof AuthorizedKeysError)) throw error;
    }
  }
  return undefined;
}

/** What ssh2 asks for its next try. */
export type LoginTries = () => ssh2.AnyAuthMethod | false;

/**
 * Hands the identities to ssh2 one by one; a key that an agent has offered before is left out.
 *
 * @param whileAsked - runs what asks for a passphrase
 */
export function loginTries(
  identities: readonly Identity[],
  username: string,
  whileAsked: WhileAsked,
): LoginTries {
  const left = [...identities];
  const offered = new Set<string>();
  const isOffered = (blob: Uint8Array): boolean =>
    offered.has(Buffer.from(blob).toString("base64"));
  return () => {
    for (;;) {
      const next = left.shift();
      if (next === undefined) return false;
      if (next.is === "agent") {
        const agent = new ChosenAgent(next.path, next.wanted, next.only, offered);
        return { type: "agent", username, agent };
      }
      if (next.is === "locked" && !isOffered(next.publicBlob)) {
        const agent = new LockedKey(next.publicBlob, next.unlock, whileAsked);
        return { type: "agent", username, agent };
      }
      if (next.is === "key" && !isOffered(next.key.publicBlob)) {
        return { type: "publickey", username, key: next.key.parsed };
      }
    }
  };
}

/** The identities in words, for the message that none was taken. */
export function describeIdentities(identities: readonly Identity[]): string {
  return identities
    .map((one) => {
      if (one.is === "agent") return one.name;
      const mark = one.is === "key" ? one.key.fingerprint : fingerprint(one.publicBlob);
      return `${one.name} (${mark})`;
    })
    .join(", ");
}
