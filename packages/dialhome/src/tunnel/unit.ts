import { userInfo } from "node:os";
import { dirname, join, resolve } from "node:path";
import { formatForward } from "@dialhome/ssh-reverse";
import { homeOf } from "../actions/ssh-login.ts";
import { usageError } from "../errors.ts";
import type { CommandIo } from "../io.ts";
import { systemdQuoted } from "../systemd-quoted.ts";
import type { TunnelFlags } from "./flags.ts";
import type { Forwardings } from "./forwardings.ts";

/** Exit code of a wrong command line, which no other start mends. */
const USAGE = 2;

/** A systemd unit that keeps this tunnel up, and the line for a crontab where there is no systemd. */
export function tunnelUnit(
  destination: string,
  flags: TunnelFlags,
  forwardings: Forwardings,
  io: CommandIo,
): string {
  const program = io.process?.program ?? ["/usr/bin/env", "dialhome"];
  const options = optionsOf(flags, forwardings, io);
  const command = [...program, "tunnel", ...options, destination].map(systemdQuoted).join(" ");
  const cron = [...program, "tunnel", "--lock", "--quiet", ...options, destination]
    .map(cronQuoted)
    .join(" ");
  const { username } = userInfo();
  const writable = writablePaths(flags, forwardings, io);
  return `# /etc/systemd/system/dialhome-tunnel.service; then: systemctl enable --now dialhome-tunnel
[Unit]
Description=dialhome tunnel to ${destination.replaceAll("%", "%%")}
Documentation=https://www.npmjs.com/package/dialhome
Wants=network-online.target
After=network-online.target
# However often it failed: a device behind a NAT has nobody who would start it again.
StartLimitIntervalSec=0

[Service]
User=${username}
ExecStart=${command}
Restart=always
RestartSec=30
RestartPreventExitStatus=${USAGE}
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=${bindsLowPort(forwardings) ? "CAP_NET_BIND_SERVICE\nAmbientCapabilities=CAP_NET_BIND_SERVICE" : ""}
ProtectSystem=strict
ProtectHome=read-only
${writable.length === 0 ? "" : `ReadWritePaths=${writable.map(systemdQuoted).join(" ")}\n`}PrivateTmp=${usesTmp(forwardings) ? "no" : "yes"}
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target

# Without systemd, in the crontab of ${username} (crontab -e):
# * * * * * ${cron}
`;
}

/** The options again, with absolute paths: neither systemd nor cron knows this directory. */
function optionsOf(flags: TunnelFlags, { remote, local }: Forwardings, io: CommandIo): string[] {
  const path = (written: string): string => resolve(io.cwd, written);
  const { aliveCount, config, jump, port } = flags;
  return [
    ...muxOptionsOf(flags, path),
    ...repeated("-R", remote.map(formatForward)),
    ...repeated("-L", local.map(formatForward)),
    ...(port === undefined ? [] : ["-p", String(port)]),
    ...repeated("-i", flags.identity?.map(path)),
    ...(jump === undefined ? [] : ["-J", jump]),
    ...(config === undefined ? [] : ["-F", config === "none" ? config : path(config)]),
    ...repeated("-o", flags.o),
    ...repeated("--known-hosts", flags.knownHosts?.map(path)),
    ...repeated("--host-key-fingerprint", flags.hostKeyFingerprint),
    ...(flags.acceptNew === true ? ["--accept-new"] : []),
    ...inSeconds("--connect-timeout", flags.connectTimeout),
    ...inSeconds("--alive-interval", flags.aliveInterval),
    ...(aliveCount === undefined ? [] : ["--alive-count", String(aliveCount)]),
    ...inSeconds("--backoff-max", flags.backoffMax),
    ...(flags.json === true ? ["--json"] : []),
  ];
}

function muxOptionsOf(flags: TunnelFlags, path: (written: string) => string): string[] {
  const { mux, authSecret, secretFile, identString, identRpi, identFile, identCmd } = flags;
  if (mux === undefined) return [];
  if (authSecret === undefined && secretFile === undefined) {
    throw usageError("--print-unit with --mux needs --secret-file: a service has no such variable");
  }
  return [
    ...one("--mux", mux),
    ...repeated("-s", authSecret),
    ...one("--secret-file", secretFile === undefined ? undefined : path(secretFile)),
    ...one("--ident-string", identString),
    ...(identRpi === true ? ["--ident-rpi"] : []),
    ...one("--ident-file", identFile === undefined ? undefined : path(identFile)),
    ...one("--ident-cmd", identCmd),
    ...one("--mux-version", flags.muxVersion),
    ...one("--mux-attempts", flags.muxAttempts),
    ...inSeconds("--mux-timeout", flags.muxTimeout),
    ...repeated("-c", flags.muxHook),
  ];
}

function one(name: string, value: string | number | undefined): string[] {
  return value === undefined ? [] : [name, String(value)];
}

function inSeconds(name: string, ms: number | undefined): string[] {
  return ms === undefined ? [] : [name, String(ms / 1000)];
}

function repeated(name: string, values: readonly string[] = []): string[] {
  return values.flatMap((value) => [name, value]);
}

function writablePaths(flags: TunnelFlags, { local }: Forwardings, io: CommandIo): string[] {
  const [knownHosts] = flags.knownHosts ?? [];
  const folder =
    knownHosts === undefined ? join(homeOf(io), ".ssh") : dirname(resolve(io.cwd, knownHosts));
  return [
    ...(flags.acceptNew === true ? [folder] : []),
    ...local.flatMap((spec) => ("bindPath" in spec ? [dirname(spec.bindPath)] : [])),
  ];
}

function bindsLowPort({ local }: Forwardings): boolean {
  return local.some((spec) => "bindPort" in spec && spec.bindPort > 0 && spec.bindPort < 1024);
}

/** With a /tmp of its own the service would not see the socket. */
function usesTmp({ remote, local }: Forwardings): boolean {
  const paths = [
    ...remote.map(({ target }) => ("path" in target ? target.path : "")),
    ...local.map((spec) => ("bindPath" in spec ? spec.bindPath : "")),
  ];
  return paths.some((path) => /^\/(var\/)?tmp\//.test(path));
}

/** A word for the shell of cron, to which a bare `%` is the end of the line. */
function cronQuoted(text: string): string {
  const quoted = /^[\w@+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
  return quoted.replaceAll("%", "\\%");
}
