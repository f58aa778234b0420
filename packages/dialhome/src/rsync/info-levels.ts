import { syntaxError } from "./errors.ts";

/** What `--info` knows, with the level that each verbosity sets; rsync 3.5, `--info=help`. */
const LEVELS_BY_VERBOSITY = {
  backup: [0, 0, 1],
  copy: [0, 1, 1],
  del: [0, 1, 1],
  flist: [0, 1, 1],
  misc: [0, 1, 2],
  mount: [0, 0, 1],
  name: [0, 1, 2],
  nonreg: [1, 1, 1],
  progress: [0, 0, 0],
  remove: [0, 0, 1],
  skip: [0, 0, 1],
  stats: [0, 1, 1],
  symsafe: [0, 1, 1],
} as const;

/** A kind of message that can be switched. */
export type InfoFlag = keyof typeof LEVELS_BY_VERBOSITY;

/** How much of each kind is told; 0 is nothing. */
export type InfoLevels = Readonly<Record<InfoFlag, number>>;

/** One word of `--info`, such as `name2`. */
export interface InfoWord {
  readonly flag: InfoFlag;
  readonly level: number;
}

const FLAGS = Object.keys(LEVELS_BY_VERBOSITY).filter(isInfoFlag);

/**
 * Reads the value of `--info`: words with commas between, in either case, each with a level of one digit behind it (1 if there is
 * none). `all` and `none` stand for every flag.
 * @throws RsyncError with exit code 1 for an unknown word
 */
export function parseInfoWords(value: string): InfoWord[] {
  return value.split(",").flatMap((word) => {
    const [, name = "", digit = "1"] = /^([a-z]+)(\d)?$/i.exec(word) ?? [];
    const lower = name.toLowerCase();
    if (lower === "all") return FLAGS.map((flag) => ({ flag, level: Number(digit) }));
    if (lower === "none") return FLAGS.map((flag) => ({ flag, level: 0 }));
    if (isInfoFlag(lower)) return [{ flag: lower, level: Number(digit) }];
    throw syntaxError(`unknown --info item: "${word}"`);
  });
}

/** The levels that a command line gives; what `--info` says goes before what other options imply. */
export function resolveInfo(
  implied: {
    readonly verbose: number;
    readonly stats: boolean;
    readonly progress: boolean;
    /** There is `-i` or `--out-format`, which name files in their own way. */
    readonly hasFormat: boolean;
  },
  words: readonly InfoWord[],
): InfoLevels {
  const verbosity = Math.min(2, implied.verbose);
  const levels: Record<string, number> = {};
  for (const flag of FLAGS) levels[flag] = LEVELS_BY_VERBOSITY[flag][verbosity] ?? 0;
  const raise = (flag: InfoFlag, level: number): void => {
    levels[flag] = Math.max(levels[flag] ?? 0, level);
  };
  if (implied.stats) raise("stats", implied.verbose > 1 ? 3 : 2);
  if (implied.progress) {
    raise("flist", 2);
    raise("progress", 1);
    if (!implied.hasFormat) raise("name", 1);
  }
  for (const { flag, level } of words) levels[flag] = level;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every flag was set above
  return levels as Record<InfoFlag, number>;
}

function isInfoFlag(name: string): name is InfoFlag {
  return Object.hasOwn(LEVELS_BY_VERBOSITY, name);
}
