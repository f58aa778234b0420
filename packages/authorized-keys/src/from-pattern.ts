import { BlockList, isIP } from "node:net";

/**
 * Whether a `from=` list admits an address, by sshd's rules (sshd(8) "from", with `UseDNS no`, so
 * that the client's name is its address).
 *
 * - one positive item must match; `!item` refuses on a match, wherever it stands;
 * - an item with `/` is a CIDR block; bits beyond the mask, a mask that is too long or an empty item make the
 *   whole list invalid, and an invalid list admits nobody;
 * - other items are patterns with `*` and `?`, compared with the address as text; blanks are part of an item.
 *
 * @param list - the value of the option
 * @param address - the client's address; an IPv4 address that came over IPv6 (`::ffff:…`) counts as IPv4
 */
export function isAdmittedFrom(list: string, address: string): boolean {
  const client = plainAddress(address);
  const family = isIP(client);
  if (family === 0) return false;
  let admitted = false;
  let refused = false;
  for (const written of list.split(",")) {
    const negated = written.startsWith("!");
    const item = negated ? written.slice(1) : written;
    const matches = matchItem(item, client, family);
    if (matches === undefined) return false;
    if (matches && negated) refused = true;
    if (matches && !negated) admitted = true;
  }
  return admitted && !refused;
}

/** `::ffff:192.0.2.1` as `192.0.2.1`; a zone (`%eth0`) is cut off. */
export function plainAddress(address: string): string {
  const bare = address.replace(/%.*$/, "").toLowerCase();
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(bare);
  return mapped?.[1] ?? bare;
}

/** Whether a text matches a pattern of OpenSSH: `*` is any run of characters, `?` any one. */
export function matchesPattern(pattern: string, text: string): boolean {
  // Greedy with one point of return: linear in practice, and never exponential.
  let p = 0;
  let t = 0;
  let star = -1;
  let resume = 0;
  while (t < text.length) {
    if (pattern[p] === "*") {
      star = p++;
      resume = t;
    } else if (p < pattern.length && (pattern[p] === "?" || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}

/** Whether one item matches; undefined where it makes the list invalid. */
function matchItem(item: string, client: string, family: number): boolean | undefined {
  if (item === "") return undefined;
  const slash = item.indexOf("/");
  if (slash < 0) {
    return (
      matchesPattern(item.toLowerCase(), client) || isSameAddress(withFourNumbers(item), client)
    );
  }
  const network = withFourNumbers(item.slice(0, slash));
  const mask = item.slice(slash + 1);
  const networkFamily = isIP(network);
  // What does not even look like a block is a pattern, which no address matches.
  if (networkFamily === 0 || network.includes("%")) return false;
  const size = networkFamily === 4 ? 32 : 128;
  if (!/^\d{1,3}$/.test(mask) || Number(mask) > size) return undefined;
  const prefix = Number(mask);
  if (hasHostBits(network, networkFamily, prefix)) return undefined;
  if (networkFamily !== family) return false;
  return isInBlock(network, networkFamily, prefix, client);
}

/** An IPv4 address that is written shorter, or not in tens, as four numbers; sshd reads it as inet_aton(3) does: `127.1`, `0/0`. */
function withFourNumbers(text: string): string {
  if (!/^(?:0x[\da-f]+|\d+)(?:\.(?:0x[\da-f]+|\d+)){0,3}$/i.test(text)) return text;
  const numbers = text.split(".").map((part) => {
    if (/^0x/i.test(part)) return Number.parseInt(part, 16);
    return /^0\d/.test(part) ? octal(part) : Number(part);
  });
  const last = numbers.pop() ?? Number.NaN;
  // The last one stands for all that is left.
  const bytes = 4 - numbers.length;
  if (!(last < 256 ** bytes) || !numbers.every((number) => number < 256)) return text;
  const rest = Array.from(
    { length: bytes },
    (_, at) => Math.floor(last / 256 ** (bytes - 1 - at)) % 256,
  );
  return [...numbers, ...rest].join(".");
}

function octal(text: string): number {
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
}

function isSameAddress(item: string, client: string): boolean {
  const family = isIP(item);
  if (family === 0 || isIP(client) !== family || item.includes("%")) return false;
  return isInBlock(item, family, family === 4 ? 32 : 128, client);
}

function isInBlock(network: string, family: number, prefix: number, client: string): boolean {
  const type = family === 4 ? "ipv4" : "ipv6";
  const block = new BlockList();
  block.addSubnet(network, prefix, type);
  return block.check(client, type);
}

function hasHostBits(network: string, family: number, prefix: number): boolean {
  const bytes = family === 4 ? ipv4Bytes(network) : ipv6Bytes(network);
  return bytes.some((byte, index) => {
    const kept = Math.min(8, Math.max(0, prefix - index * 8));
    return (byte & (0xff >> kept)) !== 0;
  });
}

function ipv4Bytes(address: string): number[] {
  return address.split(".").map(Number);
}

function ipv6Bytes(address: string): number[] {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  const tail = dotted === null ? [] : ipv4Bytes(dotted[2] ?? "");
  const text = dotted === null ? address : (dotted[1] ?? "").replace(/([^:]):$/, "$1");
  const [head, rest] = cutAt(text, "::");
  const left = groups(head);
  const right = rest === undefined ? [] : groups(rest);
  const gap = 16 - left.length - right.length - tail.length;
  const zeros = Array.from({ length: Math.max(0, gap) }, () => 0);
  return [...left, ...zeros, ...right, ...tail];
}

function cutAt(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

function groups(text: string): number[] {
  return text
    .split(":")
    .filter((group) => group !== "")
    .flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 0xff];
    });
}
