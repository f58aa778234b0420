import type { Command } from "commander";
import type { Execute } from "../command-definition.ts";
import { OPTION_ROWS } from "../rsync/option-table.ts";

/** `dialhome rsync`, as completion needs it: the command itself reads its arguments in rsync's grammar. */
export function declareRsync(command: Command, _execute: Execute): void {
  command.argument(
    "<source...>",
    "rsync://[user@]host[:port]/module[/path], [user@]host:path, or path",
  );
  for (const { names, help, value } of OPTION_ROWS) {
    const long = names.find((name) => name.length > 1);
    if (help === undefined || long === undefined) continue;
    const letter = names.find((name) => /^[A-Za-z]$/.test(name));
    const flags = `${letter === undefined ? "" : `-${letter}, `}--${long}`;
    command.option(value === undefined ? flags : `${flags} <${value}>`, help);
  }
}
