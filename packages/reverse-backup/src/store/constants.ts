/** Version of the store's layout and of its files; written to `store.json`. */
export const STORE_FORMAT = 1;

/** Version of the manifest's lines; written to its first line. */
export const MANIFEST_FORMAT = 1;

/** Bytes of a machine's name (one path component, Linux `NAME_MAX`). */
export const MACHINE_NAME_BYTES_LIMIT = 255;

/** Hex digits of a key's SHA-256 fingerprint that name its directory: 128 bits. */
export const KEY_ID_HEX_DIGITS = 32;

/** Bytes of a path below a snapshot's root, and of a link target (Linux `PATH_MAX` less its NUL). */
export const PATH_BYTES_LIMIT = 4095;

/** Characters of one manifest line: three paths with each byte escaped, and the rest. */
export const MANIFEST_LINE_LIMIT: number = 128 * 1024;

/** Bytes of manifest lines that are compressed at once; also what a kill can lose of a partial's manifest. */
export const MANIFEST_BLOCK_BYTES: number = 256 * 1024;

/** zlib level of the manifest: at level 1 twenty thousand entries cost some 40 ms, at 6 three times that for 15 % less. */
export const MANIFEST_GZIP_LEVEL = 1;

/** Bytes of `meta.json`, `store.json`, a lock file or one catalogue line that are read at most. */
export const SMALL_FILE_BYTES_LIMIT: number = 1024 * 1024;

/** Warnings that `meta.json` keeps, and characters of each. */
export const WARNINGS_LIMIT = 100;
export const WARNING_CHARACTERS_LIMIT = 500;

/** Differences that a verification lists; further ones are only counted. */
export const MISMATCHES_LIMIT = 10_000;

/** Bytes read or written at once when content is hashed or copied. */
export const COPY_CHUNK_BYTES: number = 1024 * 1024;

/** Longest stretch of synchronous work between two turns of the event loop, ms . */
export const SLICE_MS = 10;

/** Names within the store. */
export const STORE_NAMES = {
  store: "store.json",
  hosts: "hosts",
  byName: "by-name",
  catalog: "catalog.ndjson",
  data: "data",
  manifest: "manifest.ndjson.gz",
  meta: "meta.json",
  trash: ".trash",
  latest: "latest",
} as const;
