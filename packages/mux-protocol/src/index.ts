/**
 * A device gets its port by who it is: authenticated UDP packets, exchanged before the tunnel is opened.
 *
 * @packageDocumentation
 */
export { type LibsqlRegistryOptions, openLibsqlRegistry } from "./libsql-registry.ts";
export { MuxError, type MuxErrorCode, type MuxFacts } from "./mux-error.ts";
export { type PortRange, parsePortRange } from "./port-range.ts";
export type { AllocationRequest, Registration, Registry, Reservation } from "./registry.ts";
export {
  type AnswerV1,
  decodeAnswerV1,
  decodeRequestV1,
  encodeAnswerV1,
  encodeRequestV1,
  type RequestV1,
} from "./version-1.ts";
