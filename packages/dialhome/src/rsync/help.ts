import { VERSION } from "../version.ts";
import { OPTION_ROWS } from "./option-table.ts";

/** What `dialhome rsync --help` prints; made from the table of options. */
export function rsyncHelp(): string {
  const rows = OPTION_ROWS.flatMap(({ names, help, value }) => {
    if (help === undefined) return [];
    const long = names.filter((name) => name.length > 1).map((name) => `--${name}`);
    const letters = names.filter((name) => name.length === 1).map((name) => `-${name}`);
    const [first, ...others] = [...long, ...letters];
    const spelled = [`${first ?? ""}${value === undefined ? "" : `=${value}`}`, ...others];
    return [{ left: spelled.join(", "), help }];
  });
  const width = Math.min(34, Math.max(...rows.map(({ left }) => left.length))) + 2;
  const lines = rows.map(({ left, help }) =>
    left.length < width
      ? ` ${left.padEnd(width)}${help}`
      : ` ${left}\n ${" ".repeat(width)}${help}`,
  );
  return `Pull from an rsync daemon or over SSH, with rsync's own options and exit codes.

Usage: dialhome rsync [OPTION]... rsync://[USER@]HOST[:PORT]/MODULE[/PATH]... [DEST]
   or  dialhome rsync [OPTION]... [USER@]HOST::MODULE[/PATH]... [DEST]
   or  dialhome rsync [OPTION]... [USER@]HOST:PATH... [DEST]
   or  dialhome rsync [OPTION]... PATH... [DEST]
Without DEST it lists files; rsync://HOST/ lists the modules.

Examples:
  $ dialhome rsync -av --delete rsync://files.example/photos/ photos
  $ dialhome rsync -a --port 2222 --identity ~/.ssh/id_ed25519 me@files.example:photos/ photos
  $ RSYNC_PASSWORD=… dialhome rsync -a --link-dest=../monday rsync://me@files.example/home/ tuesday

Options:
${lines.join("\n")}

--no-OPTION takes an option back. Other options of rsync are refused by their names, with exit code 4.
Exit codes are rsync's: 0 done; 1 syntax; 4 not supported; 5 refused by the daemon; 10 no connection; 11 file error;
12 protocol or connection broke; 20 interrupted; 23 some files failed; 24 some vanished; 30 timeout; 35 no connection in time;
255 SSH failed; and those of the program at the far end, such as 127 where there is no rsync.
DIALHOME_DEBUG=1 in the environment shows where a failure came from.
`;
}

/** What `dialhome rsync --version` prints. */
export function rsyncVersion(): string {
  return `dialhome rsync  version ${VERSION}  protocol version 32\n`;
}
