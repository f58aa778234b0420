/**
 * Backups that the backup host pulls over the device's own SSH connection.
 *
 * @packageDocumentation
 */
export {};
