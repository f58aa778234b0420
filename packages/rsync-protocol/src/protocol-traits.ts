import { LIMITS, TAG } from "./constants.ts";

/** How a session of one protocol runs, where the protocols differ in more than the form of a field. */
export interface ProtocolTraits {
  readonly protocol: number;
  /**
   * The server tells compat flags, and a client the letters they answer (`e.`): without them there is no incremental recursion and
   * nothing is negotiated.
   */
  readonly hasCompatFlags: boolean;
  /** Also what the client sends comes in frames. */
  readonly framesBothWays: boolean;
  /** What ends each argument of a daemon's client, and once more their list. */
  readonly argumentEnd: "\0" | "\n";
  /** A sender says of a file that it will not come (`NO_SEND`); else nothing is said, and the next reply shows it. */
  readonly tellsUnsent: boolean;
  /** The sender's I/O errors stand behind the file list and its ids, as an int; later ones are not told. */
  readonly endsListWithIoError: boolean;
  /** `--append` compares what is there already as `--append-verify` does. */
  readonly appendVerifies: boolean;
  /** Phases after the first: one for failed files, and from protocol 29 on one for delayed updates. */
  readonly morePhases: number;
  /** From protocol 31 on the client tells what it deleted, and the sender answers its goodbye. */
  readonly answersGoodbye: boolean;
  /** What is asked for says how it differs, what is made here is told as well, and the sender repeats it all. */
  readonly repeatsItems: boolean;
  /** A side says with which exit code it ends the session early, and is answered. */
  readonly tellsErrorExit: boolean;
  /** Where nobody says when, deletes come before everything else; else directory by directory, as they are reached. */
  readonly deletesBefore: boolean;
  /** The names of `--files-from` go beside the frames that the client sends. */
  readonly namesBesideFrames: boolean;
  /** Times have nanoseconds. */
  readonly hasNanoseconds: boolean;
  /** Largest block of a delta, in bytes. */
  readonly largestBlockBytes: number;
  /** The tag of a text, given the one that the newest protocol has for it. */
  readonly textTag: (tag: number) => number;
}

/** The two tags for texts that came with protocol 30, and what was used for them before. */
const OLD_TEXT_TAGS: ReadonlyMap<number, number> = new Map([
  [TAG.ERROR, TAG.ERROR_XFER],
  [TAG.WARNING, TAG.INFO],
]);

export function traitsOf(protocol: number): ProtocolTraits {
  const isOld = protocol < 30;
  return {
    protocol,
    hasCompatFlags: !isOld,
    framesBothWays: !isOld,
    argumentEnd: isOld ? "\n" : "\0",
    tellsUnsent: !isOld,
    endsListWithIoError: isOld,
    appendVerifies: isOld,
    morePhases: protocol >= 29 ? 2 : 1,
    repeatsItems: protocol >= 29,
    answersGoodbye: protocol >= 31,
    tellsErrorExit: protocol >= 31,
    deletesBefore: isOld,
    namesBesideFrames: protocol < 31,
    hasNanoseconds: protocol >= 31,
    largestBlockBytes: isOld ? LIMITS.oldBlockBytes : LIMITS.blockBytes,
    textTag: isOld ? (tag) => OLD_TEXT_TAGS.get(tag) ?? tag : (tag) => tag,
  };
}
