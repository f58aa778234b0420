import { isIP, isIPv4, SocketAddress } from "node:net";

/** IPv4 in IPv6 (RFC 4291 §2.5.5.2). */
const MAPPED = /^::ffff:(?=\d+\.)/i;

/** An address as people write it: without a zone, IPv4 in IPv6 as IPv4. */
export function plainAddress(address: string): string {
  const [bare = ""] = address.split("%", 1);
  const mapped = bare.replace(MAPPED, "");
  return isIPv4(mapped) ? mapped : bare;
}

/** 4 bytes of an IPv4 address, 16 of an IPv6 address; undefined for anything else. */
export function addressBytes(address: string): Uint8Array | undefined {
  const plain = plainAddress(address);
  switch (isIP(plain)) {
    case 4:
      return Uint8Array.from(plain.split("."), Number);
    case 6:
      return ipv6Bytes(plain);
    default:
      return undefined;
  }
}

/** The text of 4 or 16 bytes; undefined for another count. */
export function formatAddressBytes(bytes: Uint8Array): string | undefined {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) return undefined;
  const groups = Array.from({ length: 8 }, (_, n) =>
    (((bytes[2 * n] ?? 0) << 8) | (bytes[2 * n + 1] ?? 0)).toString(16),
  );
  return new SocketAddress({ family: "ipv6", address: groups.join(":") }).address;
}

/** What counts as one source: an IPv4 address, or the first 64 bits of an IPv6 address. */
export function sourceOf(address: string): string {
  const bytes = addressBytes(address);
  if (bytes === undefined || bytes.length === 4) return address;
  return Buffer.from(bytes.subarray(0, 8)).toString("hex");
}

function ipv6Bytes(address: string): Uint8Array {
  const [head = "", tail] = address.split("::");
  const left = groupBytes(head);
  const right = groupBytes(tail ?? "");
  const bytes = new Uint8Array(16);
  bytes.set(left, 0);
  bytes.set(right, 16 - right.length);
  return bytes;
}

/** Groups of hexadecimal digits; the last may be an IPv4 address. */
function groupBytes(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (group.includes(".")) return group.split(".").map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
