/** Time from the first byte to the end of the filter list, in ms; after it the client is dropped. */
export const HANDSHAKE_TIMEOUT_MS = 60_000;

/** How long a session that is over waits for the client to close its side, in ms. */
export const CLOSING_TIMEOUT_MS = 10_000;

/** Longest work without giving the event loop a turn, in ms. */
export const SLICE_MS = 10;

/** Longest pause in a row for the sake of a rate, in ms: a session that has failed is noticed by then. */
export const LONGEST_PAUSE_MS = 100;

/**
 * With incremental recursion lists are sent while fewer entries than this are ahead: three times rsync's MIN_FILECNT_LOOKAHEAD
 * (rsync.h), so that a client has enough to do while the next are scanned.
 */
export const LOOK_AHEAD_ENTRIES = 3000;

/**
 * Entries that are ahead when sending lists stops again. One list a time would follow each that the client finishes: a turn
 * of both ends for a single small directory.
 */
export const LOOK_AHEAD_ENTRIES_FULL = 8000;

/** Literal bytes in a token: two tokens fill a frame of 64 KiB with its header, and so two packets of an SSH channel. */
export const LITERAL_BYTES: number = 32_762;

/** Bytes read from a file at a time. */
export const READ_BYTES: number = 8 * LITERAL_BYTES;

/** Bytes that one delta step works on before the clock is looked at. */
export const STEP_BYTES: number = 512 * 1024;

/** Directory handles that are kept open per source. */
export const HELD_DIRECTORIES = 64;

/** Symbolic links that one requested path may lead through (MAXSYMLINKS of Linux). */
export const LINKS_IN_PATH = 40;

/** Sources of one session, after wildcards. */
export const MAX_SOURCES = 4096;

/** Entries that are compared with the wildcards of one session. */
export const MAX_GLOB_ENTRIES = 1_000_000;

/** Bytes a client may send as `#early_input` (rsync's own bound is 5 KiB). */
export const EARLY_INPUT_BYTES: number = 5 * 1024;

/** Bytes of block sums that one file may have: memory that a client can claim by sending as much. */
export const MAX_SUM_BYTES: number = 512 * 1024 * 1024;

/** Lines a client may send before it names a module. */
export const MAX_COMMAND_LINES = 8;

/** What stands in front of the targets of links in a tree with munged links (rsync.h SYMLINK_PREFIX). */
export const MUNGED_PREFIX = "/rsyncd-munged/";

/** Names in a list of `--files-from`, and bytes of all of them: memory that a client can claim by sending as much. */
export const MAX_FILES_FROM_NAMES = 1_000_000;
export const MAX_FILES_FROM_BYTES: number = 64 * 1024 * 1024;

/** Sessions of a daemon at a time, those in their handshake included. */
export const MAX_SESSIONS = 1000;
