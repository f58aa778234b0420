import { createInterface } from "node:readline";
import { setFlagsFromString } from "node:v8";
import type { Message } from "./line-process.ts";

/** What a program says first, and how it answers. */
export interface Answering {
  readonly first: Message;
  readonly answer: (request: Message) => Promise<Message>;
}

/** The other side of `LineProcess`: a program that gets settings, says something, and answers requests. Ends with SIGTERM. */
export async function serveLines(start: (settings: Message) => Promise<Answering>): Promise<void> {
  process.once("SIGTERM", () => process.exit(0));
  setFlagsFromString("--semi-space-growth-factor=1"); // as the command line does
  const { first, answer } = await start(read(process.argv[2] ?? "{}"));
  say(first);
  for await (const line of createInterface({ input: process.stdin })) say(await answer(read(line)));
}

function say(message: Message): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function read(line: string): Message {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- LineProcess writes it
  return JSON.parse(line) as Message;
}
