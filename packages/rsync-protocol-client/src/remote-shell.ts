import { RsyncError } from "@dialhome/rsync-protocol";
import type { TransferOptions } from "./pull-options.ts";
import { serverArgumentsOfShell } from "./server-command.ts";

/** How the far end of a remote shell is started. */
export interface RemoteShellOptions {
  /** `--rsync-path`: a piece of shell text, sent as it is. @defaultValue "rsync" */
  readonly program?: string;
  /**
   * How arguments pass the remote shell: `escaped` so that they come through it as they are, but for wildcards in paths, which it
   * expands; `old` without any care (`--old-args`); `secluded` over the stream instead (`-s`).
   * @defaultValue "escaped"
   */
  readonly arguments?: "escaped" | "old" | "secluded";
  /** `-M`: further options for the far end, latin1. */
  readonly remoteOptions?: readonly string[];
}

/** A command for a remote shell. All text is latin1, one character for each byte. */
export interface RemoteCommand {
  /** For an exec channel joined with blanks; for a program such as `ssh` behind the host's name, as rsync hands them over. */
  readonly words: readonly string[];
  /** What {@link PullSource} is to be given of it; empty unless arguments are secluded. */
  readonly secludedArguments: readonly string[];
}

/**
 * The command that serves a pull with these options at the other end of a remote shell, quoted as rsync(1) does.
 *
 * @param paths - as rsync takes them: wildcards are expanded at the far end, `\` before one of them takes its meaning away;
 *   relative ones begin where the shell starts. Empty is that directory.
 * @throws RsyncError `ERR_RSYNC_OPTION` for what no command line can hold
 */
export function remoteShellCommand(
  options: TransferOptions & { readonly listOnly?: boolean },
  paths: readonly string[],
  shell: RemoteShellOptions = {},
): RemoteCommand {
  const sources = paths.map((path) => (path === "" ? "." : path));
  const remoteOptions = shell.remoteOptions ?? [];
  for (const text of [...sources, ...remoteOptions]) {
    if (text.includes("\0")) {
      throw new RsyncError("ERR_RSYNC_OPTION", "an argument for the far end holds a NUL");
    }
  }
  const program = shell.program ?? "rsync";
  const given = serverArgumentsOfShell(options);
  const style = shell.arguments ?? "escaped";
  if (style === "secluded") {
    const first = given.findIndex((argument) => /^-[^-]/.test(argument));
    const bundle = (given[first] ?? "-").slice(1);
    return {
      words: [program, ...given.slice(0, first), `-s${bundle}`],
      secludedArguments: [
        "rsync",
        ...given.slice(first + 1),
        ...remoteOptions,
        ".",
        ...sources.map(withoutDash),
      ],
    };
  }
  const isOld = style === "old";
  const quoteOption = isOld ? (text: string): string => text : quoteOptionArgument;
  const quotePath = isOld
    ? withoutDash
    : (path: string): string => quotePathArgument(path, options.relative === true);
  return {
    words: [
      program,
      ...given.map(quoteOption),
      ...remoteOptions.map(quoteOption),
      ".",
      ...sources.map(quotePath),
    ],
    secludedArguments: [],
  };
}

/** What a shell would not take literally; rsync 3.5 options.c, safe_arg(). */
const SHELL_CHARACTERS = /[!#$&;|<>(){}"'` \t\n\r\\]/g;
const SHELL_AND_WILD_CHARACTERS = /[!#$&;|<>(){}"'` \t\n\r\\*?[\]]/g;

function quoteOptionArgument(text: string): string {
  return text.replace(SHELL_AND_WILD_CHARACTERS, "\\$&");
}

/** Wildcards and their escapes are left to the shell, and so is `~/`; a name that only begins with `~` is a name. */
function quotePathArgument(path: string, relative: boolean): string {
  const quoted = path.replace(SHELL_CHARACTERS, (character, at: number) =>
    character === "\\" && /[*?[\]]/.test(path.charAt(at + 1)) ? character : `\\${character}`,
  );
  const isName = !path.includes("/") || (relative && !path.includes("/./"));
  return withoutDash(path.startsWith("~") && isName ? `\\${quoted}` : quoted);
}

function withoutDash(path: string): string {
  return path.startsWith("-") ? `./${path}` : path;
}
