/** An option that a sending server takes and does nothing about, and one with a value. */
export interface IgnoredFlag {
  readonly name: string;
  readonly letter?: string;
}
export interface IgnoredValue extends IgnoredFlag {
  readonly is: "ignored";
}

/**
 * What a receiver does with what comes, and what a client shows, and to whom. rsync(1)'s own clients keep these to themselves;
 * others send them to a sender too (openrsync: `--delete-before`, `--max-size`, …), and a sending `rsync --server` takes them: each
 * was tried with rsync 3.5.0 behind `-M`. What does something there is not here: filter rules, `--chmod`, `--fake-super`,
 * log files, batches.
 */
export const IGNORED_OPTIONS: readonly (IgnoredFlag | IgnoredValue)[] = [
  { name: "delete" },
  { name: "del" },
  { name: "delete-before" },
  { name: "delete-during" },
  { name: "delete-delay" },
  { name: "delete-after" },
  { name: "delete-excluded" },
  { name: "max-delete", is: "ignored" },
  { name: "force" },
  { name: "existing" },
  { name: "ignore-non-existing" },
  { name: "ignore-existing" },
  { name: "size-only" },
  { name: "max-size", is: "ignored" },
  { name: "min-size", is: "ignored" },
  { letter: "@", name: "modify-window", is: "ignored" },
  { letter: "m", name: "prune-empty-dirs" },
  { letter: "K", name: "keep-dirlinks" },
  { letter: "O", name: "omit-dir-times" },
  { letter: "J", name: "omit-link-times" },
  { letter: "E", name: "executability" },
  { letter: "y", name: "fuzzy" },
  { name: "compare-dest", is: "ignored" },
  { name: "copy-dest", is: "ignored" },
  { name: "link-dest", is: "ignored" },
  { letter: "T", name: "temp-dir", is: "ignored" },
  { name: "partial" },
  { name: "partial-dir", is: "ignored" },
  { name: "delay-updates" },
  { name: "preallocate" },
  { name: "fsync" },
  { name: "mkpath" },
  { name: "super" },
  { name: "no-super" },
  { name: "trust-sender" },
  { name: "stats" },
  { name: "progress" },
  { letter: "h", name: "human-readable" },
  { letter: "i", name: "itemize-changes" },
  { name: "out-format", is: "ignored" },
  { letter: "8", name: "8-bit-output" },
  { name: "outbuf", is: "ignored" },
  { name: "stderr", is: "ignored" },
  { name: "no-motd" },
  { name: "old-args" },
  { name: "blocking-io" },
  { letter: "4", name: "ipv4" },
  { letter: "6", name: "ipv6" },
  { name: "address", is: "ignored" },
  { name: "port", is: "ignored" },
  { name: "sockopts", is: "ignored" },
  { name: "contimeout", is: "ignored" },
  { name: "password-file", is: "ignored" },
  { name: "rsync-path", is: "ignored" },
  { letter: "M", name: "remote-option", is: "ignored" },
];
