import ssh2 from "ssh2";
import { SshEndpointError } from "./errors.ts";
import type { PrivateKey } from "./private-key.ts";

/** Runs what waits for a person; the time it takes counts for nothing. */
export type WhileAsked = <T>(work: () => Promise<T>) => Promise<T>;

/** An encrypted key of which the public half is known: it is opened only when the server would take it. */
export class LockedKey extends ssh2.BaseAgent<ssh2.ParsedKey> {
  readonly #publicKey: ssh2.ParsedKey;
  readonly #unlock: () => Promise<PrivateKey>;
  readonly #whileAsked: WhileAsked;

  constructor(publicBlob: Uint8Array, unlock: () => Promise<PrivateKey>, whileAsked: WhileAsked) {
    super();
    this.#publicKey = publicKeyOf(publicBlob);
    this.#unlock = unlock;
    this.#whileAsked = whileAsked;
  }

  override getIdentities(callback: ssh2.IdentityCallback<ssh2.ParsedKey>): void {
    callback(undefined, [this.#publicKey]);
  }

  override sign(
    _publicKey: ssh2.ParsedKey,
    data: Buffer,
    options: ssh2.SigningRequestOptions | ssh2.SignCallback,
    callback?: ssh2.SignCallback,
  ): void {
    const done = typeof options === "function" ? options : callback;
    const hash = typeof options === "function" ? undefined : options.hash;
    const work = async (): Promise<void> => {
      try {
        const key = await this.#whileAsked(this.#unlock);
        const signature: unknown = key.parsed.sign(data, hash);
        if (Buffer.isBuffer(signature)) done?.(undefined, signature);
        else done?.(signature instanceof Error ? signature : new Error("the key cannot sign"));
      } catch (error) {
        done?.(error instanceof Error ? error : new Error(String(error)));
      }
    };
    void work();
  }
}

/** The keys of a running agent: those that are wanted come first, or alone. */
export class ChosenAgent extends ssh2.BaseAgent<ssh2.ParsedKey> {
  readonly #agent: ssh2.OpenSSHAgent;
  readonly #wanted: readonly string[];
  readonly #only: boolean;
  readonly #offered: Set<string>;

  /**
   * @param wanted - public halves, base64
   * @param offered - gets the public halves that the server is offered, base64
   */
  constructor(path: string, wanted: readonly string[], only: boolean, offered: Set<string>) {
    super();
    this.#agent = new ssh2.OpenSSHAgent(path);
    this.#wanted = wanted;
    this.#only = only;
    this.#offered = offered;
  }

  override getIdentities(callback: ssh2.IdentityCallback<ssh2.ParsedKey>): void {
    this.#agent.getIdentities((error, keys) => {
      if (error) {
        callback(error);
        return;
      }
      const rank = (key: ssh2.ParsedKey): number => this.#wanted.indexOf(blobOf(key));
      const held = (keys ?? []).flatMap((key) =>
        "getPublicSSH" in key ? [{ key, at: rank(key) }] : [],
      );
      const first = held.filter(({ at }) => at >= 0).toSorted((a, b) => a.at - b.at);
      const others = this.#only ? [] : held.filter(({ at }) => at < 0);
      const chosen = [...first, ...others].map(({ key }) => key);
      for (const key of chosen) this.#offered.add(blobOf(key));
      callback(undefined, chosen);
    });
  }

  override sign(
    publicKey: ssh2.ParsedKey,
    data: Buffer,
    options: ssh2.SigningRequestOptions | ssh2.SignCallback,
    callback?: ssh2.SignCallback,
  ): void {
    if (typeof options === "function") this.#agent.sign(publicKey, data, options);
    else this.#agent.sign(publicKey, data, options, callback);
  }
}

function blobOf(key: ssh2.ParsedKey): string {
  return key.getPublicSSH().toString("base64");
}

function publicKeyOf(blob: Uint8Array): ssh2.ParsedKey {
  const bytes = Buffer.from(blob);
  const type = bytes.toString("latin1", 4, 4 + bytes.readUInt32BE());
  const parsed: unknown = ssh2.utils.parseKey(`${type} ${bytes.toString("base64")}`);
  const only: unknown = Array.isArray(parsed) ? parsed[0] : parsed;
  if (only instanceof Error) {
    throw new SshEndpointError("ERR_SSH_ENDPOINT_KEY", "this type of key is not supported", {
      cause: only,
    });
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what parseKey is documented to give
  return only as ssh2.ParsedKey;
}
