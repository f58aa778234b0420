import { SERVER } from "../constants.ts";
import { MuxError } from "../mux-error.ts";
import {
  deriveDeviceKey,
  deriveMasterKey,
  deriveWireId,
  type MasterKey,
} from "../version-2/keys.ts";
import { isOwnWireId, type RequestHead } from "../version-2/request.ts";

/** Live secrets at once: the one in use and the one that is coming or going. */
const SECRETS_MOST = 2;

/** The live secrets, and the keys of devices that were here before. */
export class Keyring {
  readonly #masters: ReadonlyMap<number, MasterKey>;
  readonly #known = new Map<string, Uint8Array>();

  /** @throws MuxError `ERR_MUX_OPTION` for none, more than two, two that cannot be told apart, or one of a wrong length */
  constructor(secrets: readonly (Uint8Array | string)[]) {
    if (secrets.length < 1 || secrets.length > SECRETS_MOST) {
      throw new MuxError("ERR_MUX_OPTION", `${secrets.length} secrets: one or two can be live`, {
        limit: SECRETS_MOST,
      });
    }
    const masters = secrets.map(deriveMasterKey);
    this.#masters = new Map(masters.map((master) => [master.hint, master]));
    if (this.#masters.size < masters.length) {
      throw new MuxError("ERR_MUX_OPTION", "both secrets have the same hint: make another one");
    }
  }

  /** Whether a packet is under a live secret, as it says. */
  hasSecret(hint: number): boolean {
    return this.#masters.has(hint);
  }

  /** The key of a device that was here before. */
  knownKey(head: RequestHead): Uint8Array | undefined {
    return this.#known.get(nameOf(head));
  }

  /** The key of whatever device. */
  deriveKey({ hint, wireId }: RequestHead): Uint8Array | undefined {
    const master = this.#masters.get(hint);
    return master === undefined ? undefined : deriveDeviceKey(master, wireId);
  }

  /** Whether a stable id is that of the wire id. */
  isOwn({ hint, wireId }: RequestHead, stableId: Uint8Array): boolean {
    const master = this.#masters.get(hint);
    return master !== undefined && isOwnWireId(wireId, deriveWireId(master, stableId));
  }

  /** Keeps the key of a device that proved to have it. */
  remember(head: RequestHead, key: Uint8Array): void {
    const name = nameOf(head);
    this.#known.delete(name);
    this.#known.set(name, key);
    const [oldest] = this.#known.keys();
    if (this.#known.size > SERVER.knownDevices && oldest !== undefined) this.#known.delete(oldest);
  }
}

const nameOf = ({ hint, wireId }: RequestHead): string =>
  `${hint} ${Buffer.from(wireId).toString("latin1")}`;
