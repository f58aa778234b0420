import {
  MAX_ARGUMENT_BYTES,
  MAX_ARGUMENTS,
  parseServerArguments,
  RsyncError,
  type ServerArguments,
  traitsOf,
  type Wire,
} from "@dialhome/rsync-protocol";

/**
 * Reads the arguments of a daemon's client: each ended by NUL, then one NUL more; below protocol 30 by line ends. With
 * `-s` a second list follows the first, always with NULs.
 *
 * @throws RsyncError `ERR_RSYNC_LIMIT` for too many or too long ones
 */
export async function readServerArguments(wire: Wire, protocol: number): Promise<ServerArguments> {
  const first = await readList(wire, traitsOf(protocol).argumentEnd);
  const args = parseServerArguments(first);
  if (!args.options.secludedArgs) return args;
  return readSecludedArguments(wire, first);
}

/** The second list of `-s` behind a remote shell, where the first one was the command line. */
export async function readSecludedArguments(
  wire: Wire,
  first: readonly string[],
): Promise<ServerArguments> {
  const [, ...second] = await readList(wire, "\0");
  return parseServerArguments([...first, ...second]);
}

async function readList(wire: Wire, endedBy: "\0" | "\n"): Promise<string[]> {
  const { reader } = wire;
  const end = endedBy.charCodeAt(0);
  const args: string[] = [];
  let bytes: number[] = [];
  let total = 0;
  for (;;) {
    if (reader.available === 0) await wire.more();
    const byte = reader.byte();
    if (byte !== end) {
      bytes.push(byte);
      total++;
      if (total > MAX_ARGUMENT_BYTES) throw tooMany(`${MAX_ARGUMENT_BYTES} bytes of arguments`);
      continue;
    }
    if (bytes.length === 0) return args;
    args.push(Buffer.from(bytes).toString("latin1"));
    bytes = [];
    if (args.length > MAX_ARGUMENTS) throw tooMany(`${MAX_ARGUMENTS} arguments`);
  }
}

function tooMany(limit: string): RsyncError {
  return new RsyncError("ERR_RSYNC_LIMIT", `the client sends more than ${limit}`);
}
