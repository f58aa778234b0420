import type { Command } from "commander";
import type { Execute } from "../command-definition.ts";
import { declareRegistry } from "../mux/registry-path.ts";
import { gather } from "../option-values.ts";
import type { ServeFlags } from "../serve/flags.ts";
import { declareAdmission } from "./admission-options.ts";
import { declareSecret } from "./mux-options.ts";

const EXAMPLES = `
Examples:
  $ dialhome serve --authorized-keys keys
  $ dialhome serve --listen 2222 --authorized-keys /etc/dialhome/keys --metrics 9222 --log-file /var/log/dialhome.log
  $ dialhome serve --authorized-keys keys --mux 8739 --secret-file mux-secret
  $ dialhome serve --status

  on a device:  ssh -N -R 2213:localhost:22 -p 2222 kitchen@this-host.example   (or autossh, or dialhome tunnel)
  here:         ssh -p 2213 localhost

The file of --authorized-keys has sshd's format, a public key per line; in front of it count restrict, port-forwarding, from="…",
expiry-time="…", permitlisten="…" and environment="DIALHOME_NAME=…". Changes count by themselves: who is removed is thrown out.
A device that comes back has its port at once, whatever became of its old connection; a device is a key and a name (that of
its line, else the user name that it gives). SIGHUP reads the keys and opens the log file again, and no tunnel falls; SIGTERM lets
those who are served finish (--drain); asked twice it ends at once.

With --mux a device asks over UDP for its port ("dialhome tunnel --mux", "dialhome mux ask") and is known by the port that it then asks
for. The first key that asks for it is that device's from then on, until "dialhome mux release"; environment="DIALHOME_IDENTITY=identity:label" in
front of a key lists it instead, and names it. Ports of --mux-ports that were given to nobody are refused.

Exit codes: 0 ended on request, or the status was printed; 1 it cannot serve, or there is no server to ask; 2 usage.`;

/** `dialhome serve` */
export function declareServe(command: Command, execute: Execute): void {
  command
    .option("--listen <[addr:]port>", "where to listen (default: port 2222 of every address)")
    .option("--authorized-keys <file>", "public keys of the devices that are let in")
    .option(
      "--host-key <file>",
      "private key by which devices know this host; can be given again (default: ~/.config/dialhome/host_key, made at the first start)",
      gather,
    )
    .option("--generate-host-key", "make the file of --host-key, if it is missing")
    .option("--state <dir>", "where the control socket lies (default: ~/.local/state/dialhome)")
    .option("--control <path>", "the control socket (default: serve.sock in --state)")
    .optionsGroup("What may be forwarded:")
    .option(
      "--bind-policy <policy>",
      "loopback, permitlisten (other addresses that the key's line names), any, or none (default: loopback)",
    )
    .option("--ports <min-max>", "ports that may be had (default: 1024-65535)")
    .option("--sockets <dir>", "take forwarded unix sockets too, into this directory");
  declareAdmission(command)
    .optionsGroup("What one key may use:")
    .option("--max-connections-per-key <count>", "connections (default: 64)")
    .option("--max-forwards-per-key <count>", "forwardings (default: 64)")
    .option("--max-channels-per-key <count>", "connections through its tunnels (default: 512)")
    .option(
      "--bandwidth <size>",
      "bytes a second in each direction, with k, M, G (default: no limit)",
    )
    .optionsGroup("Ports by who a device is:")
    .option(
      "--mux <[addr:]port>",
      "tell devices their ports at this UDP port, and let each have its own alone",
    )
    .option("--mux-ports <from:to>", "ports that are given (default: 22000:22100)")
    .option("--mux-ssh-port <port>", "where devices reach this server (default: that of --listen)")
    .option("--mux-version <versions>", "2, 1 (the original scripts') or 1,2 (default: 2)")
    .option("--mux-forwardings <count>", "ports that one device can have (default: 4)");
  declareRegistry(declareSecret(command, "the secret, or two while they are exchanged"))
    .optionsGroup("When a tunnel ends:")
    .option("--unused <seconds>", "a login without forwarding is ended (default: 60; 0: never)")
    .option(
      "--idle <seconds>",
      "a connection through a tunnel without traffic is cut (default: never)",
    )
    .option("--probe <greeting>", "end a tunnel behind which nothing says this, such as SSH-2.0-")
    .option("--probe-interval <seconds>", "how often to look (default: 60)")
    .option("--drain <seconds>", "at the end, time for those who are served (default: 10)")
    .optionsGroup("What is told:")
    .option("--status", "ask the running server who is connected, as dialhome tunnels")
    .option("--metrics <[addr:]port>", "figures for Prometheus, at /metrics (addr: 127.0.0.1)")
    .option("--log-file <file>", "append everything that happens, as JSON lines")
    .option("-v, --verbose", "tell also of refused logins and of each connection")
    .option("-q, --quiet", "say nothing but what went wrong, after the first lines")
    .option("--json", "one JSON object per line on standard output")
    .option("--print-unit", "print a unit for systemd with these options")
    .addHelpText("after", EXAMPLES)
    .action((flags: ServeFlags) =>
      execute(async (io) => {
        const { runServe } = await import("../actions/serve.ts");
        return runServe(flags, io);
      }),
    );
}
