import { DialhomeError } from "./errors.ts";

/**
 * The arguments when this program stands in for a login shell, so that no shell is needed: sshd then runs
 * `PROGRAM -c "FORCED COMMAND"`. As the original receiver does, the text is split at blanks, without any quoting,
 * and its first word, the program, is passed over. Nothing but `receive` can be run so.
 *
 * @returns undefined for an ordinary command line
 * @throws DialhomeError for any other command
 */
export function loginShellArguments(argv: readonly string[]): readonly string[] | undefined {
  const [flag, text] = argv;
  if (flag !== "-c" || text === undefined || argv.length !== 2) return undefined;
  const words = text.split(/\s+/).filter((word) => word !== "");
  if (words[1] === "receive") return words.slice(1);
  throw new DialhomeError(
    "ERR_DIALHOME_REFUSED",
    "as a login shell this runs nothing but: dialhome receive …",
  );
}
