/**
 * Serves read-only rsync modules, and the far end of a pull over a remote shell, over any Duplex.
 *
 * @packageDocumentation
 */
export { RsyncDaemon, serveDaemon } from "./daemon.ts";
export { type ConfiguredModule, type DaemonConfig, loadDaemonConfig } from "./daemon-config.ts";
export type { HostLookup, HostRules } from "./host-rules.ts";
export type {
  AuthUser,
  DaemonOptions,
  Log,
  ModuleOptions,
  SecretLookup,
  SenderOptions,
  SentFile,
  ServeOptions,
  ServeResult,
  SessionOptions,
  UserSecret,
} from "./options.ts";
export { serveSender } from "./serve-sender.ts";
