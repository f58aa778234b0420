/** Exit codes of rsync(1), EXIT VALUES in its manual page. */
export const EXIT = {
  OK: 0,
  SYNTAX: 1,
  PROTOCOL: 2,
  FILE_SELECT: 3,
  UNSUPPORTED: 4,
  START_CLIENT: 5,
  SOCKET_IO: 10,
  FILE_IO: 11,
  STREAM: 12,
  SIGNAL: 20,
  MEMORY: 22,
  PARTIAL: 23,
  VANISHED: 24,
  MAX_DELETE: 25,
  TIMEOUT: 30,
  CONNECT_TIMEOUT: 35,
} as const;
