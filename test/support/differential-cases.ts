import type { CompareOptions } from "./compare-trees.ts";
import type { DifferentialCase } from "./differential.ts";

/** With a backup beside its original rsync leaves the times of the folders alone. */
const NO_FOLDER_TIMES = { times: "not-of-folders" } as const;

/** With -K, or when something else stays in its place, rsync gives the time of a folder to what stands there. */
const NO_TIMES = { times: "none" } as const;

const HOLES = { holes: true } as const;

/** Below a file that stays where a directory should be, it counts and tells what it then cannot make. */
const UNMADE =
  /^(Number of created files|Number of regular files transferred|Total transferred file size): |^not said: (cd|>f)\+/;

/** With -K a directory that a link leads to does not get its time, the link does; so it is told again. */
const RETOLD = /^not said: \.d\.\.t\.{6} /;

/** Ways to call rsync that each exercise other parts, several options at a time. */
export const CASES: readonly DifferentialCase[] = [
  { args: ["-aHAX", "-S", "--numeric-ids", "--delete"], compare: HOLES },
  { args: ["-rlt", "-I", "--delete-before", "-z", "--zc=zlib"] },
  { args: ["-aHc", "--delete-after", "--zc=lz4"] },
  { args: ["-aW", "-b", "--suffix=.old", "--delete-delay"], compare: NO_FOLDER_TIMES },
  { args: ["-aH", "--inplace", "--delete", "--zc=zlibx", "--zl=9"] },
  { args: ["-a", "--append-verify", "--chmod=D2770,Fu+w,o-rwx"] },
  // Folders of backups become like their originals, which change at another moment.
  { args: ["-aH", "--backup-dir=../kept", "--delete"], only: "dest" },
  { args: ["-aH", "--partial-dir=.part", "--delay-updates", "--delete", "--zc=zstd"] },
  { args: ["-aH", "--link-dest=../ref", "--delete"], reference: "last" },
  { args: ["-aHX", "--copy-dest=../ref"], reference: "copy" },
  { args: ["-a", "--compare-dest=../ref", "--size-only"], reference: "copy" },
  { args: ["-aR", "--delete", "--no-implied-dirs"] },
  {
    args: ["-a", "--delete-excluded", "--exclude=*a*", "--include=/[b-m]*/", "--filter=P *x*"],
    // Those of excluded folders, in which something was deleted.
    compare: NO_FOLDER_TIMES,
  },
  { args: ["-aF", "--delete-delay", "--max-size=200k", "--min-size=10"], start: "copy" },
  { args: ["-aH", "--no-inc-recursive", "--protocol=30", "--delete"] },
  // (Of a folder with attributes the real one forgets the access list.)
  { args: ["-aHX", "--fake-super", "--delete"] },
  { args: ["-au", "--existing"], start: "copy" },
  { args: ["-aH", "--ignore-existing"], start: "copy", compare: NO_TIMES, except: UNMADE },
  { args: ["-at", "--from0", "--files-from=list"], hasList: true },
  {
    args: ["-aK", "--delete", "--filter=P real-*"],
    linksFolders: true,
    compare: NO_TIMES,
    except: RETOLD,
  },
];

/** Those that follow links of the source, which must not lead round in circles. */
export const FOLLOWING_CASES: readonly DifferentialCase[] = [
  { args: ["-aHL", "--delete", "--ignore-errors"] },
  { args: ["-akX", "--delete-after", "--ignore-errors"] },
];

/** What each of these does by itself; with {@link CASES} all that a pull may be asked for. */
const SINGLE: readonly DifferentialCase[] = [
  ...["zstd", "lz4", "zlibx", "zlib"].flatMap((name): DifferentialCase[] => [
    { args: ["-az", `--compress-choice=${name}`, "--delete"] },
    { args: ["-aHX", `--compress-choice=${name}`, "--compress-level=1", "--no-inc-recursive"] },
  ]),
  ...["before", "during", "delay", "after"].flatMap((when): DifferentialCase[] => [
    { args: ["-a", `--delete-${when}`], start: "copy" },
    { args: ["-aH", `--delete-${when}`, "--max-delete=7"], start: "copy" },
    { args: ["-an", `--delete-${when}`], start: "copy" },
  ]),
  { args: ["-a", "-u", "--delete"], start: "copy" },
  { args: ["-a", "--existing", "--delete"], start: "copy" },
  {
    args: ["-a", "--existing", "--ignore-existing"],
    start: "copy",
    compare: NO_TIMES,
    except: UNMADE,
  },
  { args: ["-a", "--size-only"], start: "copy" },
  { args: ["-a", "-I"], start: "copy" },
  { args: ["-a", "-c"], start: "copy" },
  { args: ["-rl", "--checksum", "--no-times"], start: "copy" },
  { args: ["-a", "--max-size=3000"] },
  { args: ["-a", "--min-size=3000", "--delete"] },
  { args: ["-aH", "--inplace", "-b"], compare: NO_FOLDER_TIMES },
  { args: ["-a", "--inplace", "--no-whole-file", "-B", "700"] },
  { args: ["-a", "--append"] },
  { args: ["-aH", "--append-verify", "--delete"], start: "copy" },
  { args: ["-aH", "-b", "--backup-dir=../kept", "--suffix=.s", "--delete-after"], only: "dest" },
  { args: ["-a", "--delay-updates"] },
  // (A relative one that leads out it refuses, file by file.)
  { args: ["-a", "--partial", "--temp-dir=/dev/shm"] },
  { args: ["-aHAX", "--link-dest=../ref"], reference: "copy" },
  { args: ["-rltD", "--link-dest=../ref"], reference: "last" },
  { args: ["-aHc", "--link-dest=../ref"], reference: "last" },
  { args: ["-a", "--copy-dest=../ref"], reference: "last" },
  { args: ["-aHAX", "--compare-dest=../ref"], reference: "copy" },
  { args: ["-aA", "--fake-super"] },
  // (Without -o and -g it writes down ids that nobody has set.)
  { args: ["-rlpog", "--fake-super", "--chmod=ugo=rwX"] },
  { args: ["-rlD", "--chmod=Dg+s,ug+w,Fo-w,+X"] },
  { args: ["-rlpt", "--chmod=D755,F644", "--executability"] },
  { args: ["-aO", "-J"] },
  { args: ["-a", "--usermap=0:5,1-2:7,*:9", "--groupmap=1000:3", "--numeric-ids"] },
  { args: ["-rd", "--devices", "--specials"] },
  { args: ["-aS", "--numeric-ids"], compare: HOLES },
  { args: ["-am", "--exclude=*[0-9]"] },
  { args: ["-a", "--munge-links", "--safe-links"] },
  { args: ["-aFF", "--delete"], start: "copy" },
  { args: ["-aF", "--delete-excluded"], start: "copy", compare: NO_FOLDER_TIMES },
  { args: ["-aC", "--delete"] },
  { args: ["-a", "--include=*/", "--include=*a*", "--exclude=*", "--delete", "--force"] },
  { args: ["-aH", "--filter=H *1*", "--filter=R *2*", "--filter=P *3*", "--delete"] },
  { args: ["-ar", "--from0", "--files-from=list", "--delete"], hasList: true },
  { args: ["-a", "--no-relative", "--from0", "--files-from=list"], hasList: true },
  { args: ["-aH", "-K"], linksFolders: true, compare: NO_TIMES, except: RETOLD },
  { args: ["-aH", "--modify-window=-1", "--checksum-choice=md5"] },
  { args: ["-a", "--checksum-choice=xxh64", "--protocol=31"] },
  { args: ["-aHX", "--protocol=30", "--checksum-choice=md4"] },
  { args: ["-rlHtz", "--protocol=29", "--delete"] },
];

/** Further ones that follow links. */
const SINGLE_FOLLOWING: readonly DifferentialCase[] = [
  { args: ["-aL"] },
  { args: ["-ak"] },
  { args: ["-aHk", "--no-inc-recursive", "--delete", "--ignore-errors"] },
  { args: ["-a", "--copy-unsafe-links"] },
  { args: ["-aKk", "--filter=P real-*"], linksFolders: true, compare: NO_TIMES, except: RETOLD },
];

export const ALL_CASES: readonly DifferentialCase[] = [...CASES, ...SINGLE];
export const ALL_FOLLOWING_CASES: readonly DifferentialCase[] = [
  ...FOLLOWING_CASES,
  ...SINGLE_FOLLOWING,
];

type Choice = Omit<DifferentialCase, "args"> & { readonly args: readonly string[] };

const choice = (line: string, rest: Omit<DifferentialCase, "args"> = {}): Choice => ({
  args: line.split(" ").filter((word) => word !== ""),
  ...rest,
});

/** One of each is in every case of {@link PRODUCT}. */
const WHAT = [
  choice("-rlt"),
  choice("-a"),
  choice("-aHAX --numeric-ids"),
  choice("-aHX --fake-super"),
  choice("-rlptD --chmod=Dg+s,Fug+w,o-w"),
] as const;

const DELETED = [
  choice(""),
  choice("--delete-before"),
  choice("--delete-during"),
  choice("--delete-delay"),
  choice("--delete-after"),
  choice("--delete-excluded --exclude=*a*", { compare: NO_FOLDER_TIMES }),
] as const;

const HOW = [
  choice(""),
  choice("--zc=zstd"),
  choice("--zc=lz4"),
  choice("--zc=zlibx"),
  choice("--zc=zlib"),
  choice("--inplace"),
  choice("--append-verify"),
  choice("--partial-dir=.part --delay-updates"),
  choice("-b --backup-dir=../kept", { only: "dest" }),
  choice("-S", { compare: HOLES }),
  choice("-W -I"),
  choice("-c"),
  choice("--size-only", { start: "copy" }),
  choice("-u --existing", { start: "copy" }),
  choice("--max-size=9k --min-size=2"),
  choice("--link-dest=../ref", { reference: "last" }),
  choice("--copy-dest=../ref", { reference: "copy" }),
  choice("--compare-dest=../ref", { reference: "copy" }),
] as const;

function both(a: Choice, b: Choice): Choice {
  const compare: CompareOptions = { ...a.compare, ...b.compare };
  return { ...a, ...b, args: [...a.args, ...b.args], compare };
}

/** Every kind of copy, with every way to delete, with every way to get the content. */
export const PRODUCT: readonly DifferentialCase[] = WHAT.flatMap((what) =>
  DELETED.flatMap((deleted) => HOW.map((how) => both(both(what, deleted), how))),
);
