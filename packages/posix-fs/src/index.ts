/**
 * Held directory handles and the file metadata calls that Node lacks.
 *
 * @packageDocumentation
 */
export {};
