import { compileGlob, RsyncError } from "@dialhome/rsync-protocol";

/** One `FROM:TO` of `--usermap` or `--groupmap`. */
export interface IdRule {
  /** Whether it is about an id of the sender with that name; `""` is an id without a name. */
  readonly matches: (id: number, name: string) => boolean;
  /** Id or name here. */
  readonly to: string;
}

/** Highest id: −1 means "no id" to the system. */
const MAX_ID = 0xffff_fffe;

/**
 * Reads the value of `--usermap` or `--groupmap`: `FROM:TO` pairs with commas between them, the first that matches holds. FROM is
 * an id, a range `LOW-HIGH`, a name, a glob for names, or nothing for ids without a name.
 *
 * @param option - how the option is called in an error
 * @throws RsyncError `ERR_RSYNC_OPTION`, exit code 1
 */
export function parseIdMap(text: string, option: string): IdRule[] {
  return text.split(",").map((pair) => {
    const colon = pair.indexOf(":");
    if (colon < 0) throw wrong(`no colon found in --${option}: "${pair}"`);
    const to = pair.slice(colon + 1);
    if (to === "") throw wrong(`no name found after the colon in --${option}: "${pair}"`);
    if (/^\d+$/.test(to)) parseId(to, option);
    return { matches: parseFrom(pair.slice(0, colon), option), to };
  });
}

function parseFrom(from: string, option: string): IdRule["matches"] {
  if (/^\d/.test(from)) {
    const [, low = "", high = low] = /^(\d+)(?:-(\d+))?$/.exec(from) ?? [];
    if (low === "") throw wrong(`invalid number in --${option}: "${from}"`);
    const first = parseId(low, option);
    const last = parseId(high, option);
    return (id) => id >= first && id <= last;
  }
  if (!/[*?[]/.test(from)) return (_id, name) => name === from;
  const matches = compileGlob(from, { leadingSlash: false, afterEverySlash: false });
  return (_id, name) => matches(name, 0, false);
}

function parseId(digits: string, option: string): number {
  const id = Number(digits);
  if (id > MAX_ID) throw wrong(`invalid id in --${option}: ${digits}`);
  return id;
}

function wrong(message: string): RsyncError {
  return new RsyncError("ERR_RSYNC_OPTION", message);
}
