/**
 * Reverse SSH tunnels that come back by themselves, and a server made for nothing else.
 *
 * @packageDocumentation
 */
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
export type { LocalForward, MuxPlace, TunnelForward } from "./forward.ts";
export {
  type ForwardSpec,
  formatForward,
  formatTarget,
  type MuxForwardSpec,
  parseForward,
  parseRemoteForward,
} from "./forward-spec.ts";
export type { TunnelState } from "./link.ts";
export type { TunnelMux, TunnelMuxEvent } from "./mux-ports.ts";
export type { NetworkChange, NetworkWatch } from "./network-watch.ts";
export { type ProcessLock, stopLockHolder, takeProcessLock } from "./process-lock.ts";
export type { BindPolicy } from "./server/bind-policy.ts";
export type { ProbeOptions } from "./server/greeting-probe.ts";
export type { TunnelConnection, TunnelIdentity } from "./server/identity.ts";
export type { KeyListEvent } from "./server/key-file.ts";
export type { KeyLimits } from "./server/key-use.ts";
export type { ListenPlace, ServedConnection } from "./server/listener-lease.ts";
export type { MuxDevice } from "./server/mux-gate.ts";
export type {
  Admission,
  AuthorizedKeysSource,
  ForwardChoice,
  ForwardPolicy,
  TunnelMuxOptions,
  TunnelServer,
  TunnelServerEvent,
  TunnelServerOptions,
} from "./server/options.ts";
export { freeSocketPath } from "./server/socket-folder.ts";
export type { ForwardStatus, TunnelStatus } from "./server/status.ts";
export { createTunnelServer } from "./server/tunnel-server.ts";
export { splice } from "./splice.ts";
export type { ForwardTarget, SocketTarget, TargetFailure } from "./target.ts";
export {
  openTunnel,
  type Tunnel,
  type TunnelClock,
  type TunnelOptions,
} from "./tunnel.ts";
