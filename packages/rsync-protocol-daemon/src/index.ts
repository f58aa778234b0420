/**
 * Serves read-only rsync modules, and the far end of a pull over a remote shell, over any Duplex.
 *
 * @packageDocumentation
 */
export { RsyncDaemon, serveDaemon } from "./daemon.ts";
export type {
  AuthUser,
  DaemonOptions,
  Log,
  ModuleOptions,
  SecretLookup,
  SenderOptions,
  ServeOptions,
  ServeResult,
  SessionOptions,
} from "./options.ts";
export { serveSender } from "./serve-sender.ts";
