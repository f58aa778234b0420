// The real programs that end-to-end tests talk to: which Debian package brings each one, and what it is for.
// The one table of them: `scripts/test.mjs` installs from it, `test/support/peers.ts` asks it.
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * @typedef {object} PeerPackage
 * @property {string} debian name of the Debian package
 * @property {string} use what the tests do with it
 */

/** @satisfies {Readonly<Record<string, PeerPackage>>} */
export const PEERS = {
  rsync: { debian: "rsync", use: "the real daemon and client, and the judge of equal trees" },
  ssh: { debian: "openssh-client", use: "the real client against our server" },
  scp: { debian: "openssh-client", use: "refusals of the server that only tunnels" },
  sftp: { debian: "openssh-client", use: "refusals of the server that only tunnels" },
  "ssh-keygen": { debian: "openssh-client", use: "keys and certificates in every format" },
  "ssh-agent": { debian: "openssh-client", use: "authentication by a key in an agent" },
  "ssh-add": { debian: "openssh-client", use: "authentication by a key in an agent" },
  autossh: { debian: "autossh", use: "keeps the real client connected to our server" },
  sshd: {
    debian: "openssh-server",
    use: "the real server against our client, receive as ForceCommand",
  },
  ip: { debian: "iproute2", use: "network namespaces: a device behind two NATs" },
  ss: { debian: "iproute2", use: "who listens, who is connected" },
  useradd: { debian: "passwd", use: "several users at one sshd" },
  userdel: { debian: "passwd", use: "several users at one sshd" },
  nft: { debian: "nftables", use: "the NATs themselves" },
};

/** Where administrators' programs lie; a plain user's PATH has no sbin. */
const EXTRA_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** @typedef {keyof typeof PEERS} Peer */

/** @type {readonly Peer[]} */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.keys forgets the names of a constant
const ALL_PEERS = /** @type {Peer[]} */ (Object.keys(PEERS));

/**
 * The path of a program, looked for in PATH and in the sbin folders.
 * @param {string} name
 * @returns {string | undefined}
 */
export function findProgram(name) {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  for (const folder of [...folders, ...EXTRA_FOLDERS]) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // not in this folder
    }
  }
  return undefined;
}

/**
 * Names of the peers, of those given, that this machine does not have.
 * @param {readonly Peer[]} [names]
 * @returns {Peer[]}
 */
export function missingPeers(names = ALL_PEERS) {
  return names.filter((name) => findProgram(name) === undefined);
}

/**
 * The one line that brings missing peers in.
 * @param {readonly Peer[]} names
 * @returns {string}
 */
export function installLine(names) {
  const packages = new Set(names.map((name) => PEERS[name].debian));
  return `apt-get install -y ${[...packages].join(" ")}`;
}
