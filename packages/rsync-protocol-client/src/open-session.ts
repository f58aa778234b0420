import { agreeProtocol, PROTOCOL, RsyncError, traitsOf, type Wire } from "@dialhome/rsync-protocol";
import { logIn } from "./daemon-login.ts";
import type { PullOptions } from "./pull-options.ts";
import { serverArguments, serverArgumentsWithWildcards } from "./server-command.ts";

/** Everything before the binary part. @returns the protocol */
export async function openSession(wire: Wire, options: PullOptions): Promise<number> {
  const highest = options.protocol ?? PROTOCOL.MAX;
  const { source } = options;
  if (source.kind === "server") {
    const secluded = source.secludedArguments ?? [];
    for (const argument of secluded) wire.out.latin1(`${argument}\0`);
    if (secluded.length > 0) wire.out.byte(0);
    wire.out.int(highest);
    wire.flush();
    const theirs = await wire.read((reader) => ({ protocol: reader.int() }));
    return agreeProtocol(highest, theirs.protocol);
  }
  const protocol = await logIn(wire, {
    module: source.module,
    user: source.user ?? "nobody",
    password: source.password,
    protocol: highest,
    onMessage: options.onMessage,
  });
  const paths = (source.paths.length > 0 ? source.paths : [""]).map(
    (path) => `${source.module}/${path}`,
  );
  const listOnly = options.onListed !== undefined;
  const format = source.wildcards ? serverArgumentsWithWildcards : serverArguments;
  const { argumentEnd } = traitsOf(protocol);
  for (const argument of format({ ...options, protocol, listOnly }, paths)) {
    if (argument.includes(argumentEnd)) {
      throw new RsyncError(
        "ERR_RSYNC_OPTION",
        `a path with a line end needs protocol 30, ${protocol} is spoken`,
      );
    }
    wire.out.latin1(argument + argumentEnd);
  }
  wire.out.latin1(argumentEnd);
  wire.flush();
  return protocol;
}
