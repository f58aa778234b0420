import { syntaxError, unsupportedError } from "./errors.ts";

/** What `--debug` knows; rsync 3.5, `--debug=help`. */
const FLAGS: ReadonlySet<string> = new Set(
  "acl backup bind chdir connect cmd del deltasum dup exit filter flist fuzzy genr hash hlink iconv io nstr own proto recv send time"
    .split(" ")
    .concat("all", "none"),
);

/**
 * Checks the value of `--debug`: words with commas between, each with a level behind it (1 if there is none). What
 * switches off can be had: dialhome says none of it.
 *
 * @throws RsyncError with exit code 1 for an unknown word, 4 for one that switches on
 */
export function checkDebugWords(value: string): void {
  for (const word of value.split(",")) {
    if (word === "") continue;
    const [, name = "", digits = ""] = /^([a-z]+)(\d*)$/i.exec(word) ?? [];
    const lower = name.toLowerCase();
    if (!FLAGS.has(lower)) throw syntaxError(`unknown --debug item: "${word}"`);
    if (lower !== "none" && !/^0+$/.test(digits)) {
      throw unsupportedError(`--debug=${word} is not supported by dialhome rsync`);
    }
  }
}
