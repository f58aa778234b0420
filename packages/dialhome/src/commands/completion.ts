import type { Command } from "commander";
import type { Execute } from "../command-definition.ts";
export function declareCompletion(command: Command, execute: Execute): void {
  void command;
  void execute;
}
