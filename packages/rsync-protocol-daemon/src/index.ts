/**
 * Serves read-only rsync modules over any Duplex.
 *
 * @packageDocumentation
 */
export {};
