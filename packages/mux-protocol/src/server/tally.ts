import type { AnswerStatus } from "../version-2/answer.ts";
import type { DropReason } from "./judge.ts";
import type { MuxCounters } from "./options.ts";

/** Counts. */
export class Tally {
  received = 0;
  repeated = 0;
  unsent = 0;
  readonly dropped: Record<DropReason, number> = {
    noise: 0,
    unknownSecret: 0,
    overloaded: 0,
    forged: 0,
    wrongIdentity: 0,
    stale: 0,
    replayed: 0,
    limited: 0,
    busy: 0,
  };
  readonly answered: Record<AnswerStatus, number> = {
    granted: 0,
    time: 0,
    redirect: 0,
    "range-exhausted": 0,
    "identity-refused": 0,
    "too-many-forwardings": 0,
    unavailable: 0,
  };

  snapshot(): MuxCounters {
    const { received, repeated, unsent, dropped, answered } = this;
    return { received, repeated, unsent, dropped: { ...dropped }, answered: { ...answered } };
  }
}
