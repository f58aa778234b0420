import type { Command } from "commander";
import type { Execute } from "../command-definition.ts";
export function declareKeygen(command: Command, execute: Execute): void {
  void command;
  void execute;
}
