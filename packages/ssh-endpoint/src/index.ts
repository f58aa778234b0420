/**
 * What every SSH client and server of dialhome shares: ssh2's transport and login, hardened, under a connection layer of our own.
 *
 * @packageDocumentation
 */
export type { AdmissionRefusal } from "./admission.ts";
export { type HostKeyAlgorithm } from "./algorithms.ts";
export type { ExitStatus, SshChannel } from "./channel.ts";
export { connectSsh, type SshConnectOptions } from "./client.ts";
export type {
  ConnectionEnd,
  ConnectionStats,
  ForwardedOpen,
  Forwarding,
  ForwardOrigin,
  ForwardPlace,
  ForwardRequest,
  SshConnection,
} from "./client-connection.ts";
export {
  SshEndpointError,
  type SshEndpointErrorCode,
  type SshEndpointFacts,
} from "./errors.ts";
export { type GeneratedKey, generateKey } from "./generate-key.ts";
export type { HostKey, HostKeyPolicy, KnownHostsSource } from "./host-key.ts";
export type { AuthMethod } from "./identities.ts";
export { type KeyFile, readKeyFile } from "./key-file.ts";
export {
  formatKnownHostLine,
  type HostKeyVerdict,
  hostName,
  judgeHostKey,
  type KnownHost,
  parseKnownHosts,
} from "./known-hosts.ts";
export type { ConnectionOptions } from "./limits.ts";
export type { SignsOfLife } from "./liveness.ts";
export { localAccount } from "./local-account.ts";
export type { PenaltyOptions } from "./penalties.ts";
export {
  type PassphraseSource,
  type PrivateKey,
  type PrivateKeyText,
  parsePrivateKey,
} from "./private-key.ts";
export type { ProxyCommand } from "./proxy-command.ts";
export {
  type ResolvedSshHost,
  resolveSshHost,
  type SshHostQuery,
} from "./resolve-ssh-host.ts";
export type { RevokedKeysSource } from "./revoked-keys.ts";
export {
  createSshServer,
  type ServerLimits,
  type SshServer,
  type SshServerEvent,
  type SshServerOptions,
} from "./server.ts";
export type { ConnectionEvent, ServerConnection, ServerHandlers } from "./server-connection.ts";
export type {
  CloseForward,
  ForwardAnswer,
  ForwardRefusal,
  ForwardWish,
  ServerForward,
  StreamForwardAnswer,
  StreamForwardWish,
} from "./server-forwards.ts";
export type { LoginDecision, LoginNo, LoginRefusal, LoginRequest } from "./server-login.ts";
export { readSshConfig, type SshConfig, type SshConfigQuery } from "./ssh-config.ts";
export type { LocalAccount } from "./ssh-config-tokens.ts";
export { parseSshDestination, type SshDestination } from "./ssh-destination.ts";
