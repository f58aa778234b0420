import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Duplex, duplexPair } from "node:stream";
import { type Message, NdxCodec, readNames, Wire, writeNames } from "@dialhome/rsync-protocol";
import { type DaemonOptions, RsyncDaemon, type ServeResult } from "../../src/index.ts";

/** A folder under the system's temporary one; gone after disposal. */
export function tempFolder(): { readonly path: string } & AsyncDisposable {
  const path = mkdtempSync(join(tmpdir(), "dialhome-daemon-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** A client's end of a session with a daemon, and the daemon's result. */
export interface Session {
  readonly stream: Duplex;
  readonly result: Promise<ServeResult>;
}

/** Starts a session over a pair of streams in memory. */
export function openSession(options: DaemonOptions): Session {
  const [stream, far] = duplexPair();
  stream.on("error", () => {});
  const result = new RsyncDaemon({ closingTimeoutMs: 200, ...options }).serve(far);
  return { stream, result };
}

/** A client that is past the start of a session: it has the first list, and may send what it likes. */
export interface ScriptedClient {
  readonly stream: Duplex;
  readonly wire: Wire;
  readonly ndx: NdxCodec;
  /** Messages so far. */
  readonly messages: Message[];
  readonly result: Promise<ServeResult>;
}

/** Text of the protocol's start up to the arguments. */
export function handshakeText(module: string, args: readonly string[]): string {
  return `@RSYNCD: 32.0 sha512 md5\n${module}\n${args.map((arg) => `${arg}\0`).join("")}\0`;
}

/** Goes through the handshake of protocol 32 with md5, without incremental recursion, up to the filter list. */
export async function startClient(
  options: DaemonOptions,
  letters = "tr",
  paths: readonly string[] = ["m/"],
): Promise<ScriptedClient> {
  const { stream, result } = openSession(options);
  const wire = new Wire(stream);
  const args = ["--server", "--sender", `-${letters}e.LsfxCIvu`, ".", ...paths];
  wire.out.latin1(handshakeText("m", args));
  wire.flush();
  for (let line = ""; line !== "@RSYNCD: OK"; ) {
    ({ line } = await wire.read((reader) => ({ line: reader.line() })));
  }
  await wire.read((reader) => reader.varint());
  await wire.read((reader) => readNames(reader, "checksum"));
  writeNames(wire.out, ["md5"]);
  wire.flush();
  await wire.read((reader) => reader.int());
  wire.startMultiplexing();
  const messages: Message[] = [];
  wire.startDemultiplexing((message) => messages.push(message));
  wire.out.int(0);
  wire.flush();
  return { stream, wire, ndx: new NdxCodec(), messages, result };
}
