import type { CommandGroup, CommandRow } from "./command-definition.ts";

/** What a first word that several commands share is about. */
export const GROUPS: readonly CommandGroup[] = [
  { name: "mux", summary: "a device gets its port by who it is: ask, answer, look after the list" },
];

/** Every command, in the order in which the help shows them. Nothing is loaded before it is needed. */
export const COMMANDS: readonly CommandRow[] = [
  {
    name: "tunnel",
    summary: "keep a tunnel to a host open: ssh -R and -L that come back by themselves",
    load: async () => (await import("./commands/tunnel.ts")).declareTunnel,
  },
  {
    name: "backup",
    summary: "back up a directory of this machine to a backup host",
    load: async () => (await import("./commands/backup.ts")).declareBackup,
  },
  {
    name: "backup-host",
    summary: "take backups: an SSH server that does nothing else",
    load: async () => (await import("./commands/backup-host.ts")).declareBackupHost,
  },
  {
    name: "receive",
    summary: "take one backup as the forced command of an OpenSSH server",
    load: async () => (await import("./commands/receive.ts")).declareReceive,
  },
  {
    name: "snapshots",
    summary: "list the snapshots of a backup host",
    load: async () => (await import("./commands/snapshots.ts")).declareSnapshots,
  },
  {
    name: "verify",
    summary: "compare snapshots with their manifests",
    load: async () => (await import("./commands/verify.ts")).declareVerify,
  },
  {
    name: "restore",
    summary: "copy files or trees out of a snapshot",
    load: async () => (await import("./commands/restore.ts")).declareRestore,
  },
  {
    name: "rsync",
    summary: "pull from an rsync daemon or over SSH, with rsync's own options",
    load: async () => (await import("./commands/rsync.ts")).declareRsync,
    runRaw: async (args, io) => (await import("./actions/rsync.ts")).runRsync(args, io),
  },
  {
    name: "rsyncd",
    summary: "serve directories, read-only, to rsync clients",
    load: async () => (await import("./commands/rsyncd.ts")).declareRsyncd,
  },
  {
    name: "serve",
    summary: "take reverse tunnels (ssh -R): an SSH server that does nothing else",
    load: async () => (await import("./commands/serve.ts")).declareServe,
  },
  {
    name: "tunnels",
    summary: "list the devices that are connected to the tunnel server of this machine",
    load: async () => (await import("./commands/tunnels.ts")).declareTunnels,
  },
  {
    name: "tunnels-cleanup",
    summary: "find dead tunnels of OpenSSH's sshd, and end them",
    load: async () => (await import("./commands/tunnels-cleanup.ts")).declareTunnelsCleanup,
  },
  {
    name: "mux ask",
    summary: "ask a server which ports are this device's",
    load: async () => (await import("./commands/mux-ask.ts")).declareMuxAsk,
  },
  {
    name: "mux serve",
    summary: "give devices their ports, by who they are",
    load: async () => (await import("./commands/mux-serve.ts")).declareMuxServe,
  },
  {
    name: "mux credential",
    summary: "make what one device is given in place of the secret",
    load: async () => (await import("./commands/mux-credential.ts")).declareMuxCredential,
  },
  {
    name: "mux list",
    summary: "list which device has which port",
    load: async () => (await import("./commands/mux-list.ts")).declareMuxList,
  },
  {
    name: "mux reserve",
    summary: "keep a port for a device",
    load: async () => (await import("./commands/mux-reserve.ts")).declareMuxReserve,
  },
  {
    name: "mux release",
    summary: "give a device's ports back",
    load: async () => (await import("./commands/mux-release.ts")).declareMuxRelease,
  },
  {
    name: "mux export",
    summary: "print the list for ssh, or for another registry",
    load: async () => (await import("./commands/mux-export.ts")).declareMuxExport,
  },
  {
    name: "mux import",
    summary: "make a registry of such a list, or of the original server's",
    load: async () => (await import("./commands/mux-import.ts")).declareMuxImport,
  },
  {
    name: "blink",
    summary: "blink a number's last bits on an LED, so that somebody finds this machine",
    load: async () => (await import("./commands/blink.ts")).declareBlink,
  },
  {
    name: "announce",
    summary: "tell a number on this machine's terminals, so that somebody finds it",
    load: async () => (await import("./commands/announce.ts")).declareAnnounce,
  },
  {
    name: "keygen",
    summary: "make an SSH key for a device or a host",
    load: async () => (await import("./commands/keygen.ts")).declareKeygen,
  },
  {
    name: "completion",
    summary: "print a completion script for bash, zsh or fish",
    load: async () => (await import("./commands/completion.ts")).declareCompletion,
  },
];

/** The command that a command line begins with, if it names one. */
export function findCommand(args: readonly string[]): CommandRow | undefined {
  const [first, second] = args;
  return COMMANDS.find(({ name }) => name === first || name === `${first} ${second}`);
}
