import type { Duplex } from "node:stream";
import { DirectoryHandle } from "@dialhome/posix-fs";
import {
  agreeProtocol,
  escapeServerPath,
  PROTOCOL,
  parseServerArguments,
} from "@dialhome/rsync-protocol";
import { readSecludedArguments } from "./argument-reader.ts";
import type { SenderOptions, ServeResult } from "./options.ts";
import { serveFramed } from "./serve.ts";
import { SourceFilter } from "./source-filter.ts";
import { expandPaths, type SourceRoot } from "./sources.ts";
import { transfer } from "./transfer.ts";

/**
 * What `rsync --server --sender …` does on the far end of a remote shell: the command line takes the place
 * of the text handshake. The stream is ended, behind what is left to be sent: a client waits for that.
 *
 * @param argv - the command line behind `rsync`, latin1, as the shell would have taken it apart: wildcards
 *   and escapes are the shell's, so paths are taken as they are; with `-s` the rest of it comes over the stream
 * @returns how it went; never rejects because of what the client did
 */
export async function serveSender(
  stream: Duplex,
  argv: readonly string[],
  options: SenderOptions = {},
): Promise<ServeResult> {
  const result = await serveFramed(
    stream,
    options,
    false,
    async ({ wire, log, progress, onStarted }) => {
      const early = parseServerArguments(argv);
      const isSecluded = early.options.secludedArgs;
      const args = isSecluded ? await readSecludedArguments(wire, argv) : early;
      const ours = options.protocol ?? PROTOCOL.MAX;
      wire.out.int(ours);
      wire.flush();
      const theirs = await wire.read((reader) => reader.int());
      const protocol = agreeProtocol(ours, theirs);
      progress.protocol = protocol;
      using directory = DirectoryHandle.open(options.root ?? "/", { followLast: true });
      const root = { directory, followAbsolute: true, label: (path: string) => `"/${path}"` };
      const cwd = options.cwd ?? "/";
      return await transfer(wire, {
        protocol,
        args,
        paths: isSecluded ? expandFrom(root, cwd, args.paths) : args.paths,
        cwd,
        root,
        hasWildcards: false,
        moduleFilters: [],
        cvsIgnore: options.cvsIgnore ?? [],
        numericIds: options.numericIds ?? false,
        timeoutSeconds: options.timeoutSeconds ?? 0,
        refuseOptions: options.refuseOptions ?? [],
        checksumSeed: options.checksumSeed,
        log,
        progress,
        onStarted,
      });
    },
  );
  options.onExit?.(result.exitCode);
  stream.end();
  return result;
}

/** What did not pass a shell has not been expanded by one: relative paths begin at `cwd`, and stay relative. */
function expandFrom(root: SourceRoot, cwd: string, paths: readonly string[]): string[] {
  const start = cwd.endsWith("/") ? cwd : `${cwd}/`;
  const all = new SourceFilter({ module: [], client: [] }, "");
  return paths.flatMap((path) => {
    if (path.startsWith("/")) return expandPaths(root, [path], all);
    const expanded = expandPaths(root, [`${escapeServerPath(start)}${path}`], all);
    return expanded.map((found) => found.slice(start.length));
  });
}
