import { resolve } from "node:path";
import { usageError } from "../errors.ts";
import type { CommandIo } from "../io.ts";
import { systemdQuoted } from "../systemd-quoted.ts";
import { PATH_FLAGS, RUN_FLAGS, type ServeFlags } from "./flags.ts";
import { drainMs } from "./settings.ts";

/** Time for systemd to wait beyond the server's own bound, s. */
const MARGIN_S = 10;

/** A systemd unit that runs the server with the same options. */
export function serveUnit(flags: ServeFlags, io: Pick<CommandIo, "cwd">): string {
  const { mux, authSecret, secretFile } = flags;
  if (mux !== undefined && authSecret === undefined && secretFile === undefined) {
    throw usageError("--print-unit with --mux needs --secret-file: a service has no such variable");
  }
  const words = ["/usr/bin/env", "dialhome", "serve", ...optionsOf(flags, io)];
  return `# /etc/systemd/system/dialhome-serve.service; then: systemctl enable --now dialhome-serve
[Unit]
Description=dialhome tunnel server
Wants=network-online.target
After=network-online.target

[Service]
# A user of its own, without a shell: useradd --system --home-dir /var/lib/dialhome dialhome
User=dialhome
StateDirectory=dialhome
StateDirectoryMode=0700
Environment=HOME=/var/lib/dialhome
ExecStart=${words.map(systemdQuoted).join(" ")}
ExecReload=/bin/kill -HUP $MAINPID
TimeoutStopSec=${Math.ceil(drainMs(flags) / 1000) + MARGIN_S}
Restart=always
RestartSec=5
# A wrong command line is not mended by another start.
RestartPreventExitStatus=2
LimitNOFILE=65536
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=full
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes

[Install]
WantedBy=multi-user.target
`;
}

/** The options again, with paths in full: systemd does not know this directory. */
function optionsOf(flags: ServeFlags, io: Pick<CommandIo, "cwd">): string[] {
  return Object.entries(flags).flatMap(([key, value]: [string, unknown]) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of the interface
    const name = key as keyof ServeFlags;
    if (RUN_FLAGS.includes(name) || value === undefined) return [];
    const option = `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (name === "penalties") return value === false ? ["--no-penalties"] : [];
    if (typeof value === "boolean") return value ? [option] : [];
    const values: unknown[] = Array.isArray(value) ? value : [value];
    return values.flatMap((one) => [
      option,
      PATH_FLAGS.includes(name) ? resolve(io.cwd, String(one)) : String(one),
    ]);
  });
}
