import { randomBytes } from "node:crypto";
import * as fs from "node:fs/promises";
import { LinkedAbort } from "@dialhome/rsync-protocol";
import type { ForwardedOpen, Forwarding, SshChannel, SshConnection } from "@dialhome/ssh-endpoint";
import { SshEndpointError } from "@dialhome/ssh-endpoint";
import { ConsoleLines, consoleOf } from "../console-lines.ts";
import { HANDSHAKE, HANDSHAKE_TIMEOUT_MS } from "../constants.ts";
import { BackupError } from "../errors.ts";
import { encodeOffer, type Offer } from "../offer.ts";
import { tunnelPorts } from "../tunnel-port.ts";
import { isProof, tunnelProof } from "../tunnel-proof.ts";
import { serveByRsync } from "./real-daemon.ts";
import { type ServedTree, serveInProcess, type TreeOptions } from "./served-tree.ts";

/** Options of {@link backUp}. */
export interface BackUpOptions {
  /** A connection to the backup host; it stays the caller's. */
  readonly connection: SshConnection;
  /** Directory to back up. */
  readonly path: string;
  /** What this machine calls itself. The host may know better. */
  readonly name: string;
  /** This process reads with all privileges; the host then keeps owners, groups and devices. @defaultValue true for root */
  readonly privileged?: boolean;
  /** Asks the host to stay on the file system of `path`. @defaultValue false */
  readonly oneFileSystem?: boolean;
  /** Asks the host to keep what it may not set in extended attributes; a host of ours keeps it in the manifest. @defaultValue false */
  readonly fakeSuper?: boolean;
  /** Has access control lists and extended attributes kept, which takes reading them. @defaultValue false */
  readonly attributes?: boolean;
  /** Rules of rsync's filter grammar, one line each, that leave things out before the host sees them. */
  readonly filter?: readonly string[];
  /** The real rsync at this path serves the tree, instead of this process. */
  readonly rsync?: string;
  /** Longest wait in one step of the handshake, ms; for the answers of SSH itself the connection's `answerTimeoutMs` counts. @defaultValue 20_000 */
  readonly handshakeTimeoutMs?: number;
  /** Ends the backup. */
  readonly signal?: AbortSignal;
  /** Hears how far things are. */
  readonly onStep?: (step: BackUpStep) => void;
}

/** The steps of a backup, seen from the device. */
export type BackUpStep =
  | { readonly is: "forwarded"; readonly port: number }
  | { readonly is: "accepted" }
  | { readonly is: "transfer" }
  | { readonly is: "published" };

/** How a backup went. */
export interface BackUpResult {
  /** 0; 23 when something could not be read, 24 when something vanished meanwhile: the rest is backed up. */
  readonly exitCode: number;
  /** One line for each file that is missing in the backup. */
  readonly problems: readonly string[];
}

/**
 * Backs up a directory of this machine: asks the host to pull it back over the connection, and serves it, read-only, until the
 * host says that it is published (version 1 of the handshake, as `ssh-r-sync` speaks it).
 *
 * @throws BackupError, or the connection's own error: then nothing was published
 */
export async function backUp(options: BackUpOptions): Promise<BackUpResult> {
  const { connection, name, signal } = options;
  const timeoutMs = options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
  await assertDirectory(options.path);
  signal?.throwIfAborted();
  const credentials: Offer["rsync"] = {
    user: HANDSHAKE.user,
    password: randomBytes(24).toString("base64url"),
    module: HANDSHAKE.module,
    privileged: options.privileged ?? process.geteuid?.() === 0,
    oneFileSystem: options.oneFileSystem ?? false,
    fakeSuper: options.fakeSuper ?? false,
    attributes: options.attributes ?? false,
  };
  const key = randomBytes(HANDSHAKE.keyBytes);
  const served: TreeOptions = {
    path: options.path,
    credentials,
    ...(options.filter ? { filter: options.filter } : {}),
    ...(signal ? { signal } : {}),
  };
  await using tree = options.rsync
    ? await serveByRsync(options.rsync, served)
    : serveInProcess(served);
  const tunnel = new Tunnel();
  const forwarding = await requestPort(connection, name, tunnel);
  let session: SshChannel | undefined;
  try {
    options.onStep?.({ is: "forwarded", port: forwarding.port });
    session = await connection.openShell();
    const lines = new ConsoleLines(consoleOf(session), "the backup host");
    await lines
      .expectLine(HANDSHAKE.hello, "its greeting", timeoutMs, signal)
      .catch(addStderr(session));
    lines.writeLine(HANDSHAKE.hello);
    lines.writeLine(encodeOffer({ name, port: forwarding.port, key, rsync: credentials }));
    await tunnel.prove(key, lines, timeoutMs, signal).catch(addStderr(session));
    options.onStep?.({ is: "accepted" });

    tunnel.lead(tree);
    lines.writeLine(HANDSHAKE.start);
    options.onStep?.({ is: "transfer" });
    await lines.expectLine(HANDSHAKE.done, "its confirmation", 0, signal).catch(addStderr(session));
    options.onStep?.({ is: "published" });
    tunnel.shut();
    await tree[Symbol.asyncDispose]();
    return { exitCode: tree.exitCode, problems: tree.problems };
  } finally {
    tunnel.shut();
    session?.destroy();
    await forwarding.cancel();
  }
}

/** One connection at a time comes back through the tunnel: first the proof, then the transfer; before and after, none. */
class Tunnel {
  #take: ((channel: SshChannel) => void) | undefined;

  readonly onOpen = (open: ForwardedOpen): void => {
    if (this.#take) this.#take(open.accept());
    else open.refuse("nothing is served now");
  };

  /** Waits for the host's first connection, and proves to each other that the console and the tunnel belong together. */
  async prove(
    key: Buffer,
    lines: ConsoleLines,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const first = new Promise<SshChannel>((resolve) => {
      this.#take = (channel) => {
        this.#take = undefined;
        resolve(channel);
      };
    });
    // Should the host give up, it says nothing on the tunnel: its console ends.
    using proven = new LinkedAbort(signal);
    const refusal = lines
      .readable("its connection through the tunnel", timeoutMs, proven.signal)
      .then(() => {
        throw new BackupError(
          "ERR_BACKUP_HANDSHAKE",
          "the backup host spoke before it used the tunnel",
        );
      });
    const channel = await Promise.race([first, refusal]);
    refusal.catch(() => undefined);
    proven.abort();
    channel.write(tunnelProof(key, "client"));
    const tunnel = new ConsoleLines(consoleOf(channel), "the backup host's tunnel");
    const proof = await tunnel.readBytes(HANDSHAKE.keyBytes, "its proof", timeoutMs, signal);
    channel.end();
    if (!isProof(proof, tunnelProof(key, "server"))) {
      throw new BackupError(
        "ERR_BACKUP_TUNNEL",
        "whoever uses the tunnel does not know the key of the console: the forwarded port may belong to somebody else",
      );
    }
  }

  /** From now on the tunnel leads to the tree. */
  lead(tree: ServedTree): void {
    this.#take = (channel) => tree.serve(channel);
  }

  shut(): void {
    this.#take = undefined;
  }
}

/** Asks for the ports of this name, one after another, until the host grants one. */
async function requestPort(
  connection: SshConnection,
  name: string,
  tunnel: Tunnel,
): Promise<Forwarding> {
  let refused: unknown;
  for (const bindPort of tunnelPorts(name)) {
    try {
      return await connection.forward({
        bindAddress: HANDSHAKE.bindAddress,
        bindPort,
        onOpen: tunnel.onOpen,
      });
    } catch (error) {
      if (!(error instanceof SshEndpointError) || error.code !== "ERR_SSH_ENDPOINT_FORWARD_REFUSED")
        throw error;
      refused = error;
    }
  }
  throw new BackupError(
    "ERR_BACKUP_REFUSED",
    `the backup host refused all ${HANDSHAKE.portCandidates} ports that this name may use; it allows no remote forwarding, or they are taken`,
    { cause: refused },
  );
}

async function assertDirectory(path: string): Promise<void> {
  let why = "is no directory";
  try {
    if ((await fs.stat(path)).isDirectory()) return;
  } catch (error) {
    why = error instanceof Error ? error.message : String(error);
  }
  throw new BackupError("ERR_BACKUP_SOURCE", `cannot back up ${JSON.stringify(path)}: ${why}`);
}

/** What the host wrote to standard error is the reason why it ended the session. */
function addStderr(session: SshChannel): (error: unknown) => never {
  return (error) => {
    const said: unknown = session.stderr.read();
    const text = (Buffer.isBuffer(said) ? said.toString() : "")
      .replace(/[^\x20-\x7e]+/g, " ")
      .trim()
      // The name of the program that says it, or the original's word in front.
      .replace(/^(?:dialhome|ERROR): /, "")
      .slice(0, 300);
    if (!text || !(error instanceof BackupError)) throw error;
    throw new BackupError("ERR_BACKUP_REFUSED", `the backup host refused: ${text}`, {
      cause: error,
    });
  };
}
