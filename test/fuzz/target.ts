/** One thing that takes bytes from outside. */
export interface FuzzTarget {
  readonly name: string;
  /** The most processor time that one input may take, in ms. */
  readonly limitMs: number;
  /** Inputs to begin with: what is valid, or nearly. */
  readonly seeds: () => Promise<readonly Buffer[]> | readonly Buffer[];
  /** Words that mean something to the target, for the mutations. */
  readonly dictionary?: readonly string[];
  /** Throws whatever is a finding; what the target may refuse with, it catches itself. */
  readonly run: (input: Buffer) => Promise<void> | void;
  /** Removes what the runs needed on disk; they may begin anew afterwards. */
  readonly release?: () => Promise<void> | void;
}

/** Runs `work`, and lets only errors of the given class pass as a refusal. */
export function refusesWith(
  // oxlint-disable-next-line typescript/no-explicit-any -- constructors of any shape
  errors: readonly (abstract new (...args: any[]) => Error)[],
  work: () => void,
): void {
  try {
    work();
  } catch (error) {
    if (!errors.some((one) => error instanceof one)) throw error;
  }
}
