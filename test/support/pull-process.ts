/** Run as a process of its own: pulls module `src` of the daemon at port ARGV[2] to ARGV[3], and prints what was told as JSON. */
import { writeSync } from "node:fs";
import { ARCHIVE, pullFromDaemon } from "./pull-real.ts";

const [, , port, destination, more = "{}"] = process.argv;
if (port === undefined || destination === undefined) throw new Error("PORT DESTINATION [OPTIONS]");
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by the test that starts this
const options = JSON.parse(more) as object;
const { summary, lines } = await pullFromDaemon({
  ...ARCHIVE,
  port: Number(port),
  destination,
  ...options,
});
writeSync(1, JSON.stringify({ exitCode: summary.exitCode, problems: summary.problems, lines }));
