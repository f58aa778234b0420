import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { importRegistry, parseRegistration, type Registration } from "@dialhome/mux-protocol";
import { DialhomeError, reasonOf } from "../errors.ts";
import { describeFailure } from "../failure.ts";
import type { CommandIo } from "../io.ts";
import { parseOriginalLine } from "../mux/original-list.ts";
import { type RegistryFlags, registryPath } from "../mux/registry-path.ts";

/** `dialhome mux import` */
export async function runMuxImport(
  file: string,
  flags: RegistryFlags,
  io: CommandIo,
): Promise<number> {
  const lines = (await readInput(file, io)).split("\n");
  const list = lines.flatMap((line, at) => readLine(line.trim(), at + 1));
  if (list.length === 0) throw new DialhomeError("ERR_DIALHOME_FILE", `no port in "${file}"`);
  const path = registryPath(flags, io, true);
  await importRegistry(path, list);
  const devices = new Set(list.map(({ identity }) => identity)).size;
  io.stdout.write(`${list.length} ports of ${devices} devices are in ${path}\n`);
  return 0;
}

async function readInput(file: string, io: CommandIo): Promise<string> {
  try {
    return file === "-" ? await text(io.stdin) : await readFile(resolve(io.cwd, file), "utf8");
  } catch (cause) {
    const message = `cannot read "${file}": ${reasonOf(cause)}`;
    throw new DialhomeError("ERR_DIALHOME_FILE", message, { cause });
  }
}

function readLine(line: string, number: number): readonly Registration[] {
  if (line === "") return [];
  try {
    return [parseOriginalLine(line) ?? parseRegistration(JSON.parse(line))];
  } catch (cause) {
    const why = cause instanceof SyntaxError ? "it is no JSON" : describeFailure(cause);
    throw new DialhomeError("ERR_DIALHOME_FILE", `line ${number}: ${why}`, { cause });
  }
}
