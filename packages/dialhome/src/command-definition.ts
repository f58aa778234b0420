import type { Command } from "commander";
import type { CommandIo } from "./io.ts";

/** Runs a command's work and keeps its exit code. */
export type Execute = (work: (io: CommandIo) => Promise<number>) => Promise<void>;

/** Declares a command's arguments, options, examples and what it runs. */
export type DeclareCommand = (command: Command, execute: Execute) => void;

/** A row of the table of commands: what `dialhome --help` shows, and where the rest is loaded from. */
export interface CommandRow {
  /** As it is typed; a command of a {@link CommandGroup} has two words. */
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<DeclareCommand>;
  /** The command has an option grammar of its own, and gets its arguments as they are. */
  readonly runRaw?: (args: readonly string[], io: CommandIo) => Promise<number>;
}

/** Commands that share their first word. */
export interface CommandGroup {
  readonly name: string;
  readonly summary: string;
}
