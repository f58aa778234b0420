/** Everything that the bundle holds; `launch.ts` loads it. */
export { main } from "./main.ts";
export { start } from "./start.ts";
