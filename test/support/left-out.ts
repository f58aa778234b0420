/** Stands in the title of a suite whose peers are missing: `peers.ts` writes it, `left-out-reporter.ts` collects by it. */
export const LEFT_OUT = "[left out: ";
