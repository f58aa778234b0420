/**
 * Reverse SSH tunnels that come back by themselves.
 *
 * @packageDocumentation
 */
export {};
