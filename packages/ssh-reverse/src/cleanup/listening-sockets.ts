import { readFileSync } from "node:fs";
import { endianness } from "node:os";
import { join } from "node:path";

/** A socket that takes connections. */
export type ListeningSocket =
  | { readonly address: string; readonly port: number }
  | { readonly path: string };

/** State of a listening socket in /proc/net/tcp (TCP_LISTEN of Linux's tcp_states.h). */
const LISTEN = "0A";
/** Flag of a listening socket in /proc/net/unix (__SO_ACCEPTCON of Linux's net.h). */
const ACCEPTING = 0x1_0000;

/** The listening sockets of this network namespace, by inode. @throws Error of the system where /proc/net cannot be read */
export function readListeningSockets(proc: string): Map<string, ListeningSocket> {
  const read = (name: string): string => readFileSync(join(proc, "net", name), "latin1");
  const found = new Map(parseTcpTable(read("tcp")));
  for (const [name, parse] of [
    ["tcp6", parseTcpTable], // missing where the kernel has no IPv6
    ["unix", parseUnixTable],
  ] as const) {
    let text: string;
    try {
      text = read(name);
    } catch {
      continue;
    }
    for (const [inode, socket] of parse(text)) found.set(inode, socket);
  }
  return found;
}

/** Parses /proc/net/tcp or tcp6. */
export function parseTcpTable(text: string): [inode: string, socket: ListeningSocket][] {
  const found: [string, ListeningSocket][] = [];
  for (const line of text.split("\n").slice(1)) {
    const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
    const [, hex, port] = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(local) ?? [];
    if (state !== LISTEN || hex === undefined || port === undefined) continue;
    found.push([inode, { address: addressOf(hex), port: Number.parseInt(port, 16) }]);
  }
  return found;
}

/** Parses /proc/net/unix; a name may hold blanks. */
export function parseUnixTable(text: string): [inode: string, socket: ListeningSocket][] {
  const found: [string, ListeningSocket][] = [];
  for (const line of text.split("\n").slice(1)) {
    const [, flags, inode, path] =
      /^\S+: \S+ \S+ ([0-9A-F]+) \S+ \S+ +(\d+)(?: (.*))?$/.exec(line) ?? [];
    if (flags === undefined || inode === undefined) continue;
    if ((Number.parseInt(flags, 16) & ACCEPTING) === 0) continue;
    found.push([inode, { path: path ?? "" }]);
  }
  return found;
}

/** The kernel prints an address as 32-bit numbers in the machine's own order. */
function addressOf(hex: string): string {
  const bytes = Buffer.from(hex, "hex");
  if (endianness() === "LE") bytes.swap32();
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16));
  const text = groups.join(":");
  // Only the three that forwardings have: the rest is as right without its zeros pressed together.
  if (text === "0:0:0:0:0:0:0:0") return "::";
  if (text === "0:0:0:0:0:0:0:1") return "::1";
  return text;
}

/** The socket as people write it. */
export function formatListeningSocket(socket: ListeningSocket): string {
  if ("path" in socket) return socket.path;
  return socket.address.includes(":")
    ? `[${socket.address}]:${socket.port}`
    : `${socket.address}:${socket.port}`;
}
