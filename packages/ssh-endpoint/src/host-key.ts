import { appendFile, mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import {
  AuthorizedKeysError,
  decodePublicKey,
  fingerprint,
  formatPublicKey,
  type PublicKey,
} from "@dialhome/authorized-keys";
import { algorithmsOfKeyType, HOST_KEY_ALGORITHMS, type HostKeyAlgorithm } from "./algorithms.ts";
import { SshEndpointError } from "./errors.ts";
import { normalizeFingerprint } from "./key-hash.ts";
import {
  formatKnownHostLine,
  hostName,
  judgeHostKey,
  type KnownHost,
  knownKeyTypes,
  parseKnownHosts,
} from "./known-hosts.ts";
import { type RevokedKeysSource, readRevokedKeys } from "./revoked-keys.ts";

/** A known_hosts file by its path, or its text. A path that does not exist counts as empty. */
export type KnownHostsSource = { readonly path: string } | { readonly text: string };

/**
 * How a server's host key is judged. There is no default: a client that does not know whom it talks to gives its
 * forwardings to anybody in the middle.
 */
export type HostKeyPolicy =
  /**
   * The key must be known; with `acceptNew` an unknown host is written to that file (its name hashed, if so wanted) and taken, with
   * `orFingerprints` it is taken when it has one of these. A changed one is refused always.
   */
  | {
      readonly knownHosts: readonly KnownHostsSource[];
      readonly orFingerprints?: readonly string[];
      readonly acceptNew?: { readonly path: string; readonly isHashed?: boolean };
    }
  /** The key must have one of these fingerprints, `SHA256:…` as `ssh-keygen -l` prints them. */
  | { readonly fingerprints: readonly string[] }
  /** The caller decides. */
  | { readonly verify: (key: HostKey) => boolean | Promise<boolean> }
  /** Every key is taken. For tests, and where something else proves who the server is. */
  | { readonly insecureAcceptAny: true };

/** A server's host key. */
export interface HostKey {
  readonly host: string;
  readonly port: number;
  readonly key: PublicKey;
  /** `SHA256:…` */
  readonly fingerprint: string;
}

/** A policy with its files read. */
export interface HostKeyJudge {
  /** Algorithms for the handshake: those of known keys first. */
  readonly algorithms: readonly HostKeyAlgorithm[];
  /** Resolves when the key is good. @throws SshEndpointError `ERR_SSH_ENDPOINT_HOST_KEY_…` */
  judge(blob: Uint8Array): Promise<HostKey>;
}

/** The server whose key is judged. */
export interface JudgedServer {
  readonly host: string;
  readonly port: number;
  /** The name under which it is known, instead of both (ssh's HostKeyAlias). */
  readonly alias?: string | undefined;
  /** Keys that it may not have in any case. */
  readonly revoked?: RevokedKeysSource | undefined;
  /** Types of keys that need not be shown again, since none of them is pinned; those that turn out so are added. */
  readonly passedOver?: Set<string>;
}

/** Reads what a policy needs. @throws SshEndpointError `…_KNOWN_HOSTS`, `…_OPTION` */
export async function openHostKeyJudge(
  policy: HostKeyPolicy,
  server: JudgedServer,
): Promise<HostKeyJudge> {
  const judge = await openPolicyJudge(policy, server);
  const { host, port, revoked } = server;
  if (revoked === undefined) return judge;
  const keys = await readRevokedKeys(revoked);
  return {
    algorithms: judge.algorithms,
    judge: async (blob) => {
      const source = keys.find(blob);
      if (source === undefined) return judge.judge(blob);
      throw isRevoked(hostKeyOf(blob, host, port), source);
    },
  };
}

async function openPolicyJudge(policy: HostKeyPolicy, server: JudgedServer): Promise<HostKeyJudge> {
  const { host, port } = server;
  if ("knownHosts" in policy) return knownHostsJudge(policy, server);
  if ("fingerprints" in policy) return fingerprintJudge(policy.fingerprints, server);
  const { verify } = "verify" in policy ? policy : { verify: () => true };
  return {
    algorithms: HOST_KEY_ALGORITHMS,
    judge: async (blob) => {
      const shown = hostKeyOf(blob, host, port);
      if (await verify(shown)) return shown;
      throw refused("REFUSED", shown, `the host key ${shown.fingerprint} was refused`);
    },
  };
}

async function knownHostsJudge(
  policy: Extract<HostKeyPolicy, { knownHosts: unknown }>,
  { host, port, alias }: JudgedServer,
): Promise<HostKeyJudge> {
  const { acceptNew, orFingerprints = [] } = policy;
  const vouchedFor = new Set(orFingerprints.map(expectFingerprint));
  // An alias is looked up as it is, whatever the port.
  const [knownAs, knownPort] = alias === undefined ? [host, port] : [alias, 22];
  const sources = [
    ...policy.knownHosts,
    ...(acceptNew === undefined ||
    policy.knownHosts.some((s) => "path" in s && s.path === acceptNew.path)
      ? []
      : [acceptNew]),
  ];
  const entries: KnownHost[] = [];
  for (const source of sources) entries.push(...(await readKnownHosts(source)));
  return {
    algorithms: preferred(knownKeyTypes(entries, knownAs, knownPort)),
    judge: async (blob) => {
      const shown = hostKeyOf(blob, host, port);
      const verdict = judgeHostKey(entries, knownAs, knownPort, blob);
      switch (verdict.is) {
        case "known":
          return shown;
        case "revoked":
          throw isRevoked(shown, verdict.source);
        case "changed":
          throw changed(shown, verdict.known);
        case "unknown":
          break;
      }
      if (vouchedFor.has(shown.fingerprint)) return shown;
      if (acceptNew !== undefined) {
        const line = formatKnownHostLine(knownAs, knownPort, shown.key, acceptNew.isHashed);
        await remember(acceptNew.path, line, shown);
        return shown;
      }
      throw refused(
        "UNKNOWN",
        shown,
        `its host key ${shown.fingerprint} (${shown.key.type}) is not known; ` +
          `when it is the right one, add: ${hostName(knownAs, knownPort)} ${formatPublicKey(shown.key)}`,
      );
    },
  };
}

function fingerprintJudge(
  written: readonly string[],
  { host, port, passedOver = new Set() }: JudgedServer,
): HostKeyJudge {
  const expected = written.map(expectFingerprint);
  if (expected.length === 0) {
    throw new SshEndpointError("ERR_SSH_ENDPOINT_OPTION", "no fingerprint is given");
  }
  const known = new Set([...passedOver].flatMap((type) => algorithmsOfKeyType(type)));
  const left = HOST_KEY_ALGORITHMS.filter((algorithm) => !known.has(algorithm));
  return {
    algorithms: left,
    judge: async (blob) => {
      const shown = hostKeyOf(blob, host, port);
      if (expected.includes(shown.fingerprint)) return shown;
      // With none left it would be asked for anything again.
      if (left.some((one) => !algorithmsOfKeyType(shown.key.type).includes(one))) {
        passedOver.add(shown.key.type);
      }
      throw refused(
        "CHANGED",
        shown,
        `its host key is ${shown.fingerprint}, expected was ${expected.join(" or ")}`,
        { expectedFingerprints: expected },
      );
    },
  };
}

function expectFingerprint(text: string): string {
  const normal = normalizeFingerprint(text);
  if (normal !== undefined) return normal;
  throw new SshEndpointError(
    "ERR_SSH_ENDPOINT_OPTION",
    `${JSON.stringify(text)} is no fingerprint: want SHA256: and 43 characters`,
  );
}

async function readKnownHosts(source: KnownHostsSource): Promise<KnownHost[]> {
  if ("text" in source) return parseKnownHosts(source.text, "known_hosts");
  try {
    return parseKnownHosts(await readFile(source.path, "utf8"), source.path);
  } catch (cause) {
    if (cause instanceof Error && Reflect.get(cause, "code") === "ENOENT") return [];
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SshEndpointError("ERR_SSH_ENDPOINT_KNOWN_HOSTS", `cannot read known hosts: ${why}`, {
      source: source.path,
      cause,
    });
  }
}

async function remember(path: string, line: string, shown: HostKey): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    // The file may lack its last line end: an empty line does no harm.
    const before = await readFile(path, "utf8").catch(() => "");
    const gap = before === "" || before.endsWith("\n") ? "" : "\n";
    // One write behind what is there: lines of several writers stay whole.
    await appendFile(path, `${gap}${line}\n`, { mode: 0o600 });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw refused("REFUSED", shown, `its new host key cannot be written down: ${why}`, {
      source: path,
      cause,
    });
  }
}

function hostKeyOf(blob: Uint8Array, host: string, port: number): HostKey {
  try {
    return { host, port, key: decodePublicKey(blob), fingerprint: fingerprint(blob) };
  } catch (cause) {
    if (!(cause instanceof AuthorizedKeysError)) throw cause;
    throw new SshEndpointError(
      "ERR_SSH_ENDPOINT_HOST_KEY_REFUSED",
      `${hostName(host, port)}: its host key cannot be read: ${cause.message}`,
      { peer: hostName(host, port), cause },
    );
  }
}

function isRevoked(shown: HostKey, source: string): SshEndpointError {
  const message = `its host key ${shown.fingerprint} is revoked (${source})`;
  return refused("REVOKED", shown, message, { source });
}

function changed(shown: HostKey, known: readonly KnownHost[]): SshEndpointError {
  const expectedFingerprints = known.map((entry) => fingerprint(entry.key.blob));
  const where = known.map((entry) => entry.source).join(", ");
  return refused(
    "CHANGED",
    shown,
    `its host key has CHANGED: it is ${shown.fingerprint} now, known is ${expectedFingerprints.join(" or ")} (${where}); ` +
      "somebody may be listening in. Only if the server really has a new key, remove that line",
    { expectedFingerprints, source: where },
  );
}

function refused(
  what: "UNKNOWN" | "CHANGED" | "REVOKED" | "REFUSED",
  shown: HostKey,
  message: string,
  facts: { expectedFingerprints?: readonly string[]; source?: string; cause?: unknown } = {},
): SshEndpointError {
  const peer = hostName(shown.host, shown.port);
  return new SshEndpointError(`ERR_SSH_ENDPOINT_HOST_KEY_${what}`, `${peer}: ${message}`, {
    peer,
    fingerprint: shown.fingerprint,
    ...facts,
  });
}

function preferred(types: readonly string[]): readonly HostKeyAlgorithm[] {
  const first = types.flatMap((type) => algorithmsOfKeyType(type));
  return [...new Set([...first, ...HOST_KEY_ALGORITHMS])];
}
