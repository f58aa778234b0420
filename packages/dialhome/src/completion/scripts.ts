import { GROUPS } from "../command-table.ts";
import type { DescribedCommand, DescribedOption } from "./described-commands.ts";

/** A shell that there is a completion script for. */
export type Shell = "bash" | "zsh" | "fish";

/** What can be typed at one place: commands, or first words that several share. */
interface Word {
  readonly word: string;
  readonly summary: string;
}

const SCRIPTS: Readonly<Record<Shell, (commands: readonly DescribedCommand[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

export function isShell(text: string): text is Shell {
  return Object.hasOwn(SCRIPTS, text);
}

/** The text that a shell reads to complete `dialhome`: commands, their options, and files. */
export function completionScript(shell: Shell, commands: readonly DescribedCommand[]): string {
  return SCRIPTS[shell](commands);
}

/** First words, each once. */
function firstWords(commands: readonly DescribedCommand[]): readonly Word[] {
  const words = new Map<string, string>();
  for (const { name, summary } of commands) {
    const [first = "", second] = name.split(" ");
    const group = GROUPS.find((one) => one.name === first);
    words.set(first, second === undefined ? summary : (group?.summary ?? ""));
  }
  return [...words].map(([word, summary]) => ({ word, summary }));
}

/** First word of a group → what can follow it. */
function groupsOf(commands: readonly DescribedCommand[]): ReadonlyMap<string, readonly Word[]> {
  const groups = new Map<string, Word[]>();
  for (const { name, summary } of commands) {
    const [first = "", second] = name.split(" ");
    if (second === undefined) continue;
    const words = groups.get(first) ?? [];
    words.push({ word: second, summary });
    groups.set(first, words);
  }
  return groups;
}

const listed = (words: readonly Word[]): string => words.map(({ word }) => word).join(" ");

function bashScript(commands: readonly DescribedCommand[]): string {
  const cases = commands.map(({ name, options }) => {
    const words = options.flatMap(({ spellings }) => spellings).join(" ");
    return `    "${name}") words="${words}" ;;`;
  });
  const groups = [...groupsOf(commands)].map(
    ([group, words]) => `    ${group})
      if [ "$COMP_CWORD" -eq 2 ]; then
        COMPREPLY=($(compgen -W "${listed(words)} --help" -- "$current"))
        return
      fi
      command="$command \${COMP_WORDS[2]}"
      ;;`,
  );
  return `# bash completion of dialhome
_dialhome() {
  local current="\${COMP_WORDS[COMP_CWORD]}" command="\${COMP_WORDS[1]}" words=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${listed(firstWords(commands))} --help --version" -- "$current"))
    return
  fi
  case "$command" in
${groups.join("\n")}
  esac
  case "$command" in
${cases.join("\n")}
    completion) words="bash zsh fish" ;;
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
    *) COMPREPLY=($(compgen -f -- "$current")) ;;
  esac
}
complete -o filenames -o bashdefault -F _dialhome dialhome
`;
}

function zshScript(commands: readonly DescribedCommand[]): string {
  const groups = [...groupsOf(commands)].map(
    ([group, words]) => `  if [[ "$words[2]" == ${group} ]]; then
    commands=(
${zshWords(words)}
    )
    if (( CURRENT == 3 )); then
      _describe command commands
      return
    fi
    words[2]="${group} $words[3]"
    words[3]=()
    (( CURRENT-- ))
  fi
`,
  );
  const cases = commands.map(
    ({ name, options }) =>
      `    "${name}")\n      _arguments -s \\\n${options.flatMap(zshOption).join("")}        '*:file:_files'\n      ;;`,
  );
  return `#compdef dialhome
_dialhome() {
  local -a commands
  commands=(
${zshWords(firstWords(commands))}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
${groups.join("")}  local command="$words[2]"
  shift words
  (( CURRENT-- ))
  case "$command" in
${cases.join("\n")}
  esac
}
_dialhome "$@"
`;
}

const zshWords = (words: readonly Word[]): string =>
  words.map(({ word, summary }) => `    '${word}:${zshText(summary)}'`).join("\n");

function zshOption({ spellings, summary, takesValue }: DescribedOption): string[] {
  const value = takesValue ? ":value:_files" : "";
  return spellings.map((spelling) => `        '*${spelling}[${zshText(summary)}]${value}' \\\n`);
}

/** Within single quotes and brackets of a zsh specification. */
function zshText(text: string): string {
  return text.replaceAll("'", `'\\''`).replace(/[[\]:]/g, (character) => `\\${character}`);
}

function fishScript(commands: readonly DescribedCommand[]): string {
  const groups = groupsOf(commands);
  const isGroup = [...groups.keys()].map((name) => `; and not __fish_seen_subcommand_from ${name}`);
  const lines = [
    ...firstWords(commands).map((word) => fishWord("__fish_use_subcommand", word)),
    ...[...groups].flatMap(([group, words]) => {
      const place = `__fish_seen_subcommand_from ${group}; and not __fish_seen_subcommand_from ${listed(words)}`;
      return words.map((word) => fishWord(place, word));
    }),
    ...commands.flatMap(({ name, options }) => {
      const [first = "", second] = name.split(" ");
      const rest =
        second === undefined ? isGroup.join("") : `; and __fish_seen_subcommand_from ${second}`;
      const place = `__fish_seen_subcommand_from ${first}${rest}`;
      return options.map((option) => fishOption(place, option));
    }),
  ];
  return `# fish completion of dialhome\n${lines.join("\n")}\n`;
}

function fishWord(place: string, { word, summary }: Word): string {
  return `complete -c dialhome -n '${place}' -f -a ${word} -d '${fishText(summary)}'`;
}

function fishOption(place: string, { spellings, summary, takesValue }: DescribedOption): string {
  const flags = spellings.map((spelling) =>
    spelling.startsWith("--") ? `-l ${spelling.slice(2)}` : `-s ${spelling.slice(1)}`,
  );
  const value = takesValue ? " -r" : "";
  return `complete -c dialhome -n '${place}' ${flags.join(" ")}${value} -d '${fishText(summary)}'`;
}

function fishText(text: string): string {
  return text.replace(/[\\']/g, (character) => `\\${character}`);
}
