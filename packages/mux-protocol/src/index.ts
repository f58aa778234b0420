/**
 * A device gets its port by who it is: authenticated UDP packets, exchanged before the tunnel is opened.
 *
 * @packageDocumentation
 */
export type { Grant } from "./client/dialogue.ts";
export { negotiate } from "./client/negotiate.ts";
export type { ClientSources, Negotiated, NegotiateOptions } from "./client/options.ts";
export {
  describeHookResult,
  type MuxHookOptions,
  type MuxHookResult,
  runMuxHook,
  splitHookCommand,
} from "./hook.ts";
export {
  type DeviceIdentity,
  type IdentityOptions,
  type IdentitySource,
  identityForVersion,
  readIdentity,
} from "./identity.ts";
export { type LibsqlRegistryOptions, openLibsqlRegistry } from "./libsql-registry.ts";
export { MuxError, type MuxErrorCode, type MuxFacts } from "./mux-error.ts";
export { type PortRange, parsePortRange } from "./port-range.ts";

export type {
  AllocationRequest,
  KeyBinding,
  PortHolder,
  Registration,
  Registry,
  Reservation,
} from "./registry.ts";

export { importRegistry, parseRegistration } from "./registry-import.ts";

export type { DropReason } from "./server/judge.ts";
export type {
  Asker,
  MuxCounters,
  MuxDecision,
  MuxServer,
  MuxServerEvent,
  MuxServerOptions,
  ServerSources,
} from "./server/options.ts";
export { createMuxServer } from "./server/server.ts";
export type { TimeSources } from "./server/server-clock.ts";
export type { Rate } from "./server/token-bucket.ts";
export {
  type AnswerV1,
  decodeAnswerV1,
  decodeRequestV1,
  encodeAnswerV1,
  encodeRequestV1,
  type RequestV1,
} from "./version-1.ts";
export {
  type AnswerStatus,
  type AnswerV2,
  decodeAnswerV2,
  encodeAnswerV2,
} from "./version-2/answer.ts";
export type { AnswerDetails, Endpoint } from "./version-2/answer-items.ts";
export { makeNonce } from "./version-2/box.ts";
export {
  formatCredential,
  isCredentialText,
  parseCredential,
} from "./version-2/credential-text.ts";
export { type Credential, deriveCredential, deriveStableId } from "./version-2/keys.ts";
export {
  decodeRequestHead,
  decodeRequestV2,
  encodeRequestV2,
  type RequestHead,
  type RequestV2,
} from "./version-2/request.ts";
