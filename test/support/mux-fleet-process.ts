// mux-fleet-process.ts OPTIONS: a fleet in a process of its own, for another network namespace. Prints its result as JSON.
import { askAsFleet, type FleetOptions } from "./mux-fleet.ts";

const options: FleetOptions = JSON.parse(process.argv[2] ?? "");
process.stdout.write(`${JSON.stringify(await askAsFleet(options))}\n`);
