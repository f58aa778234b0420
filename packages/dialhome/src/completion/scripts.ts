import type { DescribedCommand, DescribedOption } from "./described-commands.ts";

/** A shell that there is a completion script for. */
export type Shell = "bash" | "zsh" | "fish";

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

function bashScript(commands: readonly DescribedCommand[]): string {
  const cases = commands.map(({ name, options }) => {
    const words = options.flatMap(({ spellings }) => spellings).join(" ");
    return `    ${name}) words="${words}" ;;`;
  });
  return `# bash completion of dialhome
_dialhome() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(" ")} --help --version" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
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
  const list = commands.map(({ name, summary }) => `    '${name}:${zshText(summary)}'`);
  const cases = commands.map(
    ({ name, options }) =>
      `    ${name})\n      _arguments -s \\\n${options.flatMap(zshOption).join("")}        '*:file:_files'\n      ;;`,
  );
  return `#compdef dialhome
_dialhome() {
  local -a commands
  commands=(
${list.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command="$words[2]"
  shift words
  (( CURRENT-- ))
  case "$command" in
${cases.join("\n")}
  esac
}
_dialhome "$@"
`;
}

function zshOption({ spellings, summary, takesValue }: DescribedOption): string[] {
  const value = takesValue ? ":value:_files" : "";
  return spellings.map((spelling) => `        '*${spelling}[${zshText(summary)}]${value}' \\\n`);
}

/** Within single quotes and brackets of a zsh specification. */
function zshText(text: string): string {
  return text.replaceAll("'", `'\\''`).replace(/[[\]:]/g, (character) => `\\${character}`);
}

function fishScript(commands: readonly DescribedCommand[]): string {
  const lines = commands.flatMap(({ name, summary, options }) => [
    `complete -c dialhome -n __fish_use_subcommand -f -a ${name} -d '${fishText(summary)}'`,
    ...options.map((option) => fishOption(name, option)),
  ]);
  return `# fish completion of dialhome\n${lines.join("\n")}\n`;
}

function fishOption(command: string, { spellings, summary, takesValue }: DescribedOption): string {
  const flags = spellings.map((spelling) =>
    spelling.startsWith("--") ? `-l ${spelling.slice(2)}` : `-s ${spelling.slice(1)}`,
  );
  const value = takesValue ? " -r" : "";
  return `complete -c dialhome -n '__fish_seen_subcommand_from ${command}' ${flags.join(" ")}${value} -d '${fishText(summary)}'`;
}

function fishText(text: string): string {
  return text.replace(/[\\']/g, (character) => `\\${character}`);
}
