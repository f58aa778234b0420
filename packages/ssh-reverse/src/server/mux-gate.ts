import { type AuthorizedKeys, fingerprint, type KeyOptions } from "@dialhome/authorized-keys";
import type { PortRange, Registry } from "@dialhome/mux-protocol";

/** A device that was told its port by the mux server, as the registry and the operator know it. */
export interface MuxDevice {
  /** As in the registry. */
  readonly identity: string;
  /** What the line of authorized_keys calls it. */
  readonly label?: string;
}

/** What the registry of ports says to a wish for one. */
export type MuxClaim =
  /** It is nobody's, and not among those that are given by identity. */
  | { readonly is: "free" }
  | { readonly is: "granted"; readonly device: MuxDevice; readonly isFirstUse: boolean }
  | { readonly is: "refused"; readonly why: string };

/** Who asks for a port. */
export interface MuxClaimant {
  /** Of its key, `SHA256:…`. */
  readonly fingerprint: string;
  /** Of the line that lets it in. */
  readonly options: KeyOptions;
  /** Who the connection is known to be already, by another port of it. */
  readonly device: MuxDevice | undefined;
}

/**
 * The variable by which a line of authorized_keys says whose its key is: `environment="DIALHOME_IDENTITY=identity[:label],…"`, the identities as
 * the registry has them.
 */
const IDENTITY_VARIABLE = "DIALHOME_IDENTITY";

/** Lets an identity have its own ports and no others, and each of them with its own key. */
export class MuxGate {
  readonly #registry: Registry;
  readonly #range: PortRange;
  readonly #keys: () => AuthorizedKeys;

  constructor(
    { registry, portRange }: { readonly registry: Registry; readonly portRange: PortRange },
    keys: () => AuthorizedKeys,
  ) {
    this.#registry = registry;
    this.#range = portRange;
    this.#keys = keys;
  }

  /** Ports that are given by identity. */
  get size(): number {
    return this.#range.to - this.#range.from + 1;
  }

  /** Whether a port is one of those that are given by identity. */
  readonly keeps = (port: number): boolean => port >= this.#range.from && port <= this.#range.to;

  /**
   * Says whether a key may have a port. The first key that may becomes that of the port's identity, and that is durable when this resolves.
   *
   * @throws MuxError when the registry cannot be asked
   */
  async claim(port: number, claimant: MuxClaimant): Promise<MuxClaim> {
    const holder = await this.#registry.holderOf(port);
    if (holder === undefined) {
      if (!this.keeps(port)) return { is: "free" };
      return refused(`port ${port} was given to no device; the mux server gives each its own`);
    }
    const { identity } = holder;
    if (claimant.device !== undefined && claimant.device.identity !== identity) {
      return refused(`port ${port} is another device's than the other ports of this connection`);
    }
    const listing = this.whyNotListed(identity, claimant);
    if (listing !== undefined) return refused(`port ${port}: ${listing}`);
    const own = listedIdentities(claimant.options);
    const label = own.get(identity);
    const device: MuxDevice = { identity, ...(label === undefined ? {} : { label }) };
    const { fingerprint: key } = claimant;
    if (holder.key === key) return { is: "granted", device, isFirstUse: false };
    const inPlace = own.has(identity);
    const now = await this.#registry.bindKey({ identity, port, key, inPlace });
    if (now?.identity !== identity) {
      return refused(`port ${port} has just become another device's`);
    }
    if (now.key === key) return { is: "granted", device, isFirstUse: true };
    return refused(
      `port ${port} is that of a device with another key; "dialhome mux release" on the server parts them`,
    );
  }

  /** Why a key may not be an identity's by what the lines say; undefined where nothing is against it. */
  whyNotListed(
    identity: string,
    { fingerprint: key, options }: Pick<MuxClaimant, "fingerprint" | "options">,
  ): string | undefined {
    const own = listedIdentities(options);
    if (own.has(identity)) return undefined;
    if (own.size > 0) return "the key's line lists other devices than this port's";
    const isListedElsewhere = this.#keys().lines.some(
      (line) =>
        line.is === "key" &&
        listedIdentities(line.options).has(identity) &&
        fingerprint(line.key.blob) !== key,
    );
    return isListedElsewhere ? "another key is listed for its device" : undefined;
  }
}

/** Identities that a line lists, with their labels. */
export function listedIdentities(options: KeyOptions): ReadonlyMap<string, string | undefined> {
  const text = options.environment.get(IDENTITY_VARIABLE);
  if (text === undefined) return NONE;
  const items = text.split(",").map((item) => item.trim());
  return new Map(
    items
      .filter((item) => item !== "")
      .map((item) => {
        const colon = item.indexOf(":");
        return colon < 0
          ? [item.toLowerCase(), undefined]
          : [item.slice(0, colon).toLowerCase(), item.slice(colon + 1) || undefined];
      }),
  );
}

const NONE: ReadonlyMap<string, undefined> = new Map();

function refused(why: string): MuxClaim {
  return { is: "refused", why };
}
