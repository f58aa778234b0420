import { openLibsqlRegistry, type Registration, type Registry } from "@dialhome/mux-protocol";
import { DialhomeError, usageError } from "../errors.ts";
import type { CommandIo } from "../io.ts";
import { type DeviceFlags, findDevice, formatDevice, identityOfText } from "../mux/device-name.ts";
import { type RegistryFlags, registryPath } from "../mux/registry-path.ts";
import { sshConfigText } from "../mux/ssh-config-text.ts";
import { formatAge } from "../terminal/ages.ts";
import { writeJsonLine } from "../terminal/json-lines.ts";
import { printable } from "../terminal/printable.ts";
import { formatTable } from "../terminal/table.ts";

/** The options of `dialhome mux list`. */
export interface MuxListFlags extends RegistryFlags {
  readonly json?: boolean;
}

/** The options of `dialhome mux export`. */
export interface MuxExportFlags extends RegistryFlags {
  readonly format: string;
  readonly host: string;
}

/** The options of `dialhome mux release`. */
export interface MuxReleaseFlags extends RegistryFlags, DeviceFlags {
  readonly port?: number;
  readonly json?: boolean;
}

/** The options of `dialhome mux reserve`. */
export interface MuxReserveFlags extends RegistryFlags, DeviceFlags {
  readonly forwarding?: string;
}

/** `dialhome mux list` */
export async function runMuxList(flags: MuxListFlags, io: CommandIo): Promise<number> {
  await using registry = await open(flags, io);
  const list = await registry.list();
  if (flags.json) {
    for (const registration of list) writeJsonLine(io.stdout, { ...registration });
    return 0;
  }
  if (list.length === 0) {
    io.stdout.write("no port was given away yet\n");
    return 0;
  }
  const now = Date.now();
  const rows = list.map((one) => [
    String(one.port),
    printable(formatDevice(one)),
    stateOf(one),
    one.lastSeen === undefined ? "never" : formatAge(now - one.lastSeen),
    printable(one.address ?? "-"),
    printable(one.hook ?? "-"),
  ]);
  const headings = ["PORT", "DEVICE", "STATE", "SEEN", "FROM", "HOOK"];
  for (const line of formatTable([headings, ...rows], [0, 3])) io.stdout.write(`${line}\n`);
  return 0;
}

/** `dialhome mux export` */
export async function runMuxExport(flags: MuxExportFlags, io: CommandIo): Promise<number> {
  const { format, host } = flags;
  if (!/^[!-~]+$/.test(host)) throw usageError("--host is a name or an address");
  if (format !== "ssh-config" && format !== "json") {
    throw usageError(`--format is ssh-config or json, not "${format}"`);
  }
  await using registry = await open(flags, io);
  const list = await registry.list();
  if (format === "ssh-config") io.stdout.write(sshConfigText(list, host));
  else for (const registration of list) writeJsonLine(io.stdout, { ...registration });
  return 0;
}

/** `dialhome mux release` */
export async function runMuxRelease(
  device: string | undefined,
  flags: MuxReleaseFlags,
  io: CommandIo,
): Promise<number> {
  const { port } = flags;
  const named = identityOfText(flags);
  if ([device, named, port].filter((one) => one !== undefined).length !== 1) {
    throw usageError("one of a device, --ident-string and --port says whose ports are given back");
  }
  await using registry = await open(flags, io);
  const list = await registry.list();
  const identity =
    named ?? (device === undefined ? holderOf(port, list) : findDevice(device, list));
  const held = list.filter((one) => one.identity === identity && one.releasedAt === undefined);
  if (!(await registry.release(identity, Date.now()))) {
    throw new DialhomeError("ERR_DIALHOME_REFUSED", "that device has no port");
  }
  for (const one of held) {
    if (flags.json) writeJsonLine(io.stdout, { port: one.port, identity });
    else io.stdout.write(`released: ${one.port}, of ${printable(formatDevice(one))}\n`);
  }
  return 0;
}

/** `dialhome mux reserve` */
export async function runMuxReserve(
  port: number,
  device: string | undefined,
  flags: MuxReserveFlags,
  io: CommandIo,
): Promise<number> {
  const named = identityOfText(flags);
  if ((device === undefined) === (named === undefined)) {
    throw usageError("either a device or --ident-string says whom the port is for");
  }
  await using registry = await open(flags, io, true);
  const list = await registry.list();
  const identity = named ?? findDevice(device ?? "", list);
  const forwarding = Number(flags.forwarding ?? "0");
  await registry.reserve({ identity, port, forwarding, now: Date.now() });
  const reserved = { identity, forwarding, port, isReserved: true };
  io.stdout.write(`reserved: ${port}, for ${printable(formatDevice(reserved))}\n`);
  return 0;
}

function open(flags: RegistryFlags, io: CommandIo, create = false): Promise<Registry> {
  return openLibsqlRegistry({ path: registryPath(flags, io, create), create });
}

function stateOf({ isReserved, releasedAt }: Registration): string {
  if (isReserved) return "reserved";
  return releasedAt === undefined ? "held" : "released";
}

function holderOf(port: number | undefined, list: readonly Registration[]): string {
  const holder = list.find((one) => one.port === port && one.releasedAt === undefined);
  if (holder !== undefined) return holder.identity;
  throw new DialhomeError("ERR_DIALHOME_REFUSED", `nobody has port ${port}`);
}
