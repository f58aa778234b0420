/** What went wrong, as a stable word. */
export type MuxErrorCode =
  /** An option is missing or makes no sense. */
  | "ERR_MUX_OPTION"
  /** Bytes that are no packet of this protocol, or not one for us: of a wrong length, forged, damaged, or of another version. */
  | "ERR_MUX_PACKET"
  /** No valid answer came in time. */
  | "ERR_MUX_TIMEOUT"
  /** The server gives this device nothing. */
  | "ERR_MUX_REFUSED"
  /** The server cannot tell ports at present. */
  | "ERR_MUX_UNAVAILABLE"
  /** The UDP port of a server cannot be had. */
  | "ERR_MUX_LISTEN"
  /** This device has nothing to be told apart by, where it was looked for. */
  | "ERR_MUX_IDENTITY"
  /** There is no port left for a device; nothing was given. */
  | "ERR_MUX_RANGE_EXHAUSTED"
  /** A port cannot be reserved: it is somebody else's. */
  | "ERR_MUX_PORT_TAKEN"
  /** The registry's file cannot be used: it is missing, damaged, somebody else's, or its disk is full. Nothing in it was changed. */
  | "ERR_MUX_REGISTRY"
  /** Another process has kept the registry locked for too long. */
  | "ERR_MUX_REGISTRY_BUSY";

/** Facts that go with a {@link MuxError}; which are there depends on the code. */
export interface MuxFacts {
  /** The bound that was passed. */
  readonly limit?: number;
}

/** The one error class of this package. The message is one line, without secrets. */
export class MuxError extends Error {
  readonly code: MuxErrorCode;
  readonly facts: MuxFacts;

  constructor(
    code: MuxErrorCode,
    message: string,
    facts: MuxFacts & { readonly cause?: unknown } = {},
  ) {
    const { cause, ...rest } = facts;
    super(message, cause === undefined ? undefined : { cause });
    this.name = "MuxError";
    this.code = code;
    this.facts = rest;
  }
}
