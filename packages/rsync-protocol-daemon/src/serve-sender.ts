import type { Duplex } from "node:stream";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { agreeProtocol, PROTOCOL, parseServerArguments } from "@dialhome/rsync-protocol";
import type { SenderOptions, ServeResult } from "./options.ts";
import { serveFramed } from "./serve.ts";
import { transfer } from "./transfer.ts";

/**
 * What `rsync --server --sender …` does on the far end of a remote shell: the command line takes the place
 * of the text handshake. The stream is not ended: an exec channel is given its exit status first.
 *
 * @param argv - the command line behind `rsync`, latin1, as the shell would have taken it apart: wildcards
 *   and escapes are the shell's, so paths are taken as they are
 * @returns how it went; never rejects because of what the client did
 */
export async function serveSender(
  stream: Duplex,
  argv: readonly string[],
  options: SenderOptions = {},
): Promise<ServeResult> {
  return serveFramed(stream, options, false, async ({ wire, log, progress, onStarted }) => {
    const args = parseServerArguments(argv);
    const ours = options.protocol ?? PROTOCOL.MAX;
    wire.out.int(ours);
    wire.flush();
    const theirs = await wire.read((reader) => reader.int());
    const protocol = agreeProtocol(ours, theirs);
    progress.protocol = protocol;
    using directory = DirectoryHandle.open(options.root ?? "/", { followLast: true });
    return await transfer(wire, {
      protocol,
      args,
      paths: args.paths,
      cwd: options.cwd ?? "/",
      root: { directory, followAbsolute: true, label: (path) => `"/${path}"` },
      hasWildcards: false,
      moduleFilters: [],
      numericIds: options.numericIds ?? false,
      timeoutSeconds: options.timeoutSeconds ?? 0,
      refuseOptions: options.refuseOptions ?? [],
      checksumSeed: options.checksumSeed,
      log,
      progress,
      onStarted,
    });
  });
}
