import { bundle } from "../../scripts/bundle.mjs";

/** End to end the bundled command line is tested, as users get it: made anew from the sources before each run. */
export async function setup(): Promise<void> {
  await bundle();
}
