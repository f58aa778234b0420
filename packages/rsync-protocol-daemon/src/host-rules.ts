import { Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import { compileGlob } from "@dialhome/rsync-protocol";

/** Questions to the name service. Neither rejects: what has no answer is empty. */
export interface HostLookup {
  /** Names of an address. */
  readonly names: (address: string) => Promise<readonly string[]>;
  /** Addresses of a name. */
  readonly addresses: (name: string) => Promise<readonly string[]>;
}

/** Who may connect; rsyncd.conf(5), hosts allow and hosts deny. */
export interface HostRules {
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  /** Whether the name of a client's address is asked for. @defaultValue true */
  readonly reverseLookup?: boolean;
  /** Whether the addresses of names in the rules are asked for. @defaultValue true */
  readonly forwardLookup?: boolean;
}

/** Time for one question, and how often it is asked. */
const LOOKUP = { timeout: 2_000, tries: 2 } as const;

/** By DNS, off the threads that file access uses. */
export function dnsLookup(): HostLookup {
  const resolver = new Resolver(LOOKUP);
  return {
    names: (address) => quietly(resolver.reverse(address)),
    addresses: async (name) => {
      const both = [quietly(resolver.resolve4(name)), quietly(resolver.resolve6(name))];
      return (await Promise.all(both)).flat();
    },
  };
}

async function quietly(answer: Promise<string[]>): Promise<string[]> {
  return answer.catch(() => []);
}

/** The bytes of an IPv4 or IPv6 address, 4 or 16; undefined for what is none. IPv4 within IPv6 is IPv4. */
export function addressBytes(text: string): Uint8Array | undefined {
  const plain = text.replace(/%.*$/, "").toLowerCase();
  const family = isIP(plain);
  if (family === 4) return Uint8Array.from(plain.split(".").map(Number));
  if (family !== 6) return undefined;
  const tail = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(plain);
  const [, front = "", a, b, c, d] = tail ?? [];
  const full = tail === null ? plain : `${front}${hexWord(a, b)}:${hexWord(c, d)}`;
  const [left = "", right] = full.split("::");
  const [before, after] = [words(left), words(right ?? "")];
  const zeros = right === undefined ? 0 : 8 - before.length - after.length;
  const all = [...before, ...Array.from({ length: zeros }, () => 0), ...after];
  const bytes = Uint8Array.from(all.flatMap((word) => [word >> 8, word & 0xff]));
  const isMapped = all.slice(0, 5).every((word) => word === 0) && all[5] === 0xffff;
  return isMapped ? bytes.slice(12) : bytes;
}

function hexWord(high: unknown, low: unknown): string {
  return (Number(high) * 256 + Number(low)).toString(16);
}

function words(part: string): number[] {
  return part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16));
}

/** Why a rule is none, as words for a line; undefined for a good one. */
export function hostRuleProblem(rule: string): string | undefined {
  if (rule.startsWith("@")) return "netgroups are not supported";
  const [address = "", mask] = rule.split("/", 2);
  if (!looksNumeric(address)) return mask === undefined ? undefined : "a mask needs an address";
  const bytes = addressBytes(address);
  if (bytes === undefined) return "not an address";
  if (mask === undefined) return undefined;
  return maskBytes(mask, bytes.length) === undefined ? "malformed mask" : undefined;
}

/**
 * Whether a client may connect: one that `allow` means may; else, one that `deny` means may not; else, one may if
 * there is no `allow` alone.
 *
 * @param peer - the client's address; who has none is refused where there are rules
 */
export async function isHostAllowed(
  peer: string,
  rules: HostRules,
  lookup: HostLookup,
): Promise<boolean> {
  const allow = rules.allow ?? [];
  const deny = rules.deny ?? [];
  if (allow.length === 0 && deny.length === 0) return true;
  const address = addressBytes(peer);
  if (address === undefined) return false;
  const client = new Client(peer, address, rules, lookup);
  if (allow.length > 0) {
    if (await client.isMeantBy(allow, false)) return true;
    if (deny.length === 0) return false;
  }
  return !(await client.isMeantBy(deny, true));
}

/** What stands for the name of a client that has none, or is not asked for it: `*` means it as any other (clientname.c). */
const UNKNOWN = "UNKNOWN";
const UNDETERMINED = "UNDETERMINED";

/** One client whose name is asked for at most once, and only if a rule needs it. */
class Client {
  readonly #peer: string;
  readonly #address: Uint8Array;
  readonly #rules: HostRules;
  readonly #lookup: HostLookup;
  #names: Promise<readonly string[]> | undefined;

  constructor(peer: string, address: Uint8Array, rules: HostRules, lookup: HostLookup) {
    this.#peer = peer;
    this.#address = address;
    this.#rules = rules;
    this.#lookup = lookup;
  }

  async isMeantBy(list: readonly string[], isDenial: boolean): Promise<boolean> {
    for (const rule of list) {
      const [text = "", mask] = rule.toLowerCase().split("/", 2);
      if (looksNumeric(text)) {
        if (this.#isWithin(text, mask)) return true;
      } else if (await this.#isNamed(text, isDenial)) return true;
    }
    return false;
  }

  #isWithin(text: string, mask: string | undefined): boolean {
    const rule = addressBytes(text);
    if (rule === undefined || rule.length !== this.#address.length) return false;
    const scope = /%(.*)$/.exec(text)?.[1];
    if (scope !== undefined && !this.#peer.toLowerCase().endsWith(`%${scope}`)) return false;
    const bits = mask === undefined ? undefined : maskBytes(mask, rule.length);
    return rule.every((byte, i) => ((byte ^ (this.#address[i] ?? 0)) & (bits?.[i] ?? 0xff)) === 0);
  }

  async #isNamed(rule: string, isDenial: boolean): Promise<boolean> {
    const matches = compileGlob(rule, { afterEverySlash: false, leadingSlash: false });
    const names = this.#rules.reverseLookup === false ? [UNDETERMINED] : await this.#ownNames();
    if (names.some((name) => matches(name.toLowerCase(), 0, false))) return true;
    // A pattern is compared with names, and only the real ones count.
    if (this.#rules.forwardLookup === false || /[*?[]/.test(rule)) return false;
    const addresses = await this.#lookup.addresses(rule);
    // Whether the client is the one that is to be denied cannot be ruled out then.
    if (addresses.length === 0) return isDenial;
    return addresses.some((address) => this.#isWithin(address, undefined));
  }

  /** Names of the client's address that lead back to it: whoever owns an address can give it any name. */
  #ownNames(): Promise<readonly string[]> {
    this.#names ??= this.#askNames();
    return this.#names;
  }

  async #askNames(): Promise<readonly string[]> {
    const own: string[] = [];
    for (const name of (await this.#lookup.names(this.#peer)).slice(0, 4)) {
      const addresses = await this.#lookup.addresses(name);
      if (addresses.some((address) => this.#isWithin(address, undefined))) own.push(name);
    }
    return own.length > 0 ? own : [UNKNOWN];
  }
}

function looksNumeric(text: string): boolean {
  return text.includes(":") || /^[\d.]+$/.test(text);
}

/** `24`, `255.255.255.0` or `ffff:ffff::`; undefined for what is no mask of so many bytes. */
function maskBytes(text: string, length: number): Uint8Array | undefined {
  if (!/^\d{1,3}$/.test(text)) {
    const bytes = addressBytes(text);
    return bytes?.length === length ? bytes : undefined;
  }
  const bits = Number(text);
  if (bits > length * 8) return undefined;
  return Uint8Array.from(
    { length },
    (_, i) => (0xff00 >> Math.min(8, Math.max(0, bits - i * 8))) & 0xff,
  );
}
