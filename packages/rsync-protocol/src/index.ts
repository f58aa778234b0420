/**
 * The rsync wire protocol: codecs, checksums and framing.
 *
 * @packageDocumentation
 */
export {};
