/**
 * Reverse SSH tunnels that come back by themselves, and a server made for nothing else.
 *
 * @packageDocumentation
 */
export type { AuthorizedKeysSource } from "./authorized-keys-source.ts";
export type { ReconnectOptions } from "./backoff.ts";
export {
  type ClosingLoginSession,
  endLoginSession,
  findClosingLoginSessions,
} from "./cleanup/login-sessions.ts";
export {
  findTunnelSessions,
  type TunnelSession,
  type TunnelSessionOptions,
  type TunnelVerdict,
} from "./cleanup/tunnel-sessions.ts";
export { SshReverseError, type SshReverseErrorCode } from "./errors.ts";
export type { LocalForward, TunnelForward } from "./forward.ts";
export { type ForwardSpec, formatForward, formatTarget, parseForward } from "./forward-spec.ts";
export type { TunnelState } from "./link.ts";
export type { NetworkChange, NetworkWatch } from "./network-watch.ts";
export { type ProcessLock, stopLockHolder, takeProcessLock } from "./process-lock.ts";
export {
  createTunnelServer,
  type ForwardPolicy,
  type TunnelConnection,
  type TunnelIdentity,
  type TunnelServerOptions,
} from "./server.ts";
export { splice } from "./splice.ts";
export type { ForwardTarget, SocketTarget, TargetFailure } from "./target.ts";
export {
  openTunnel,
  type Tunnel,
  type TunnelClock,
  type TunnelOptions,
} from "./tunnel.ts";
