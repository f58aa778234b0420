/**
 * Pulls a tree from an rsync sender over any Duplex.
 *
 * @packageDocumentation
 */
export {};
