/**
 * The authorized_keys format: parse, match, write.
 *
 * @packageDocumentation
 */
export {};
