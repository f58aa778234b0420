/**
 * What every SSH client and server of dialhome shares: ssh2, hardened.
 *
 * @packageDocumentation
 */
export {};
