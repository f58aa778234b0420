/** The version of this package; a test compares it with package.json, which would have to be found and read first. */
export const VERSION = "0.1.0";
