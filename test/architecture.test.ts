import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

/** Ground floor first; a package may depend only on packages of lower floors. */
const FLOORS: readonly (readonly string[])[] = [
  [
    "@dialhome/posix-fs",
    "@dialhome/authorized-keys",
    "@dialhome/led-blink",
    "@dialhome/rsync-protocol",
  ],
  [
    "@dialhome/ssh-endpoint",
    "@dialhome/rsync-protocol-client",
    "@dialhome/rsync-protocol-daemon",
    "@dialhome/mux-protocol",
  ],
  ["@dialhome/ssh-reverse"],
  ["@dialhome/reverse-backup"],
  ["dialhome"],
];

/** Longer than this, a file does more than one thing. */
const MOST_LINES = 600;

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

interface Package extends Manifest {
  readonly folder: string;
  /** Path below the package → text of each source file. */
  readonly sources: ReadonlyMap<string, string>;
}

const root = fileURLToPath(new URL("../packages", import.meta.url));
const packages = readdirSync(root).map((name): Package => {
  const folder = join(root, name);
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
  const files = readdirSync(join(folder, "src"), { recursive: true, encoding: "utf8" });
  const sources = files
    .filter((file) => file.endsWith(".ts"))
    .map((file) => [`src/${file}`, readFileSync(join(folder, "src", file), "utf8")] as const);
  return { ...manifest, folder, sources: new Map(sources) };
});
const libraries = packages.filter(({ name }) => name !== "dialhome");
const floorOf = (name: string): number => FLOORS.findIndex((floor) => floor.includes(name));

/** Code without its comments, near enough for the questions here. */
const withoutComments = (text: string): string =>
  text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|\s)\/\/.*$/gm, "$1");

/** Files whose code matches, as `src/file.ts`. */
const filesWith = (one: Package, pattern: RegExp): string[] =>
  [...one.sources].filter(([, text]) => pattern.test(withoutComments(text))).map(([file]) => file);

describe.each(packages)("$name", (one) => {
  test("stands on a floor and leans only on lower ones", () => {
    expect(floorOf(one.name)).toBeGreaterThanOrEqual(0);
    const ours = Object.keys(one.dependencies ?? {}).filter((name) => floorOf(name) >= 0);
    for (const name of ours) expect(floorOf(name)).toBeLessThan(floorOf(one.name));
  });

  test("reaches no other package by path, and nothing outside of the project", () => {
    expect(filesWith(one, /from "(\.\.\/)+(packages|[\w-]+\/src)\//)).toEqual([]);
    expect(filesWith(one, /\/work\/|\.\.\/shared/)).toEqual([]);
  });

  test("has no file that is too long to be one thing", () => {
    const long = [...one.sources]
      .map(([file, text]) => [file, text.split("\n").length] as const)
      .filter(([, lines]) => lines > MOST_LINES);
    expect(long).toEqual([]);
  });
});

describe.each(libraries)("the library $name", (one) => {
  test("says in its index what it is for, and only re-exports there", () => {
    const index = one.sources.get("src/index.ts") ?? "";
    expect(index).toContain("@packageDocumentation");
    expect(withoutComments(index)).not.toMatch(/^(?!export [*{t]|[\s}]).*(const|function|class) /m);
  });

  // (That nothing prints by console.log is oxlint's to see.)
  test("leaves the process, its streams and its environment to the program", () => {
    expect(filesWith(one, /\bprocess\.(env|argv|exit\b|stdout|stderr|stdin)/)).toEqual([]);
  });

  // In Node 20 what it makes stays for ever with a signal that lives as long as its program; rsync-protocol has LinkedAbort.
  test("makes no signal by AbortSignal.any", () => {
    expect(filesWith(one, /AbortSignal\.any/)).toEqual([]);
  });

  test("has a README", () => {
    const readme = readFileSync(join(one.folder, "README.md"), "utf8");
    expect(readme).toContain(one.name);
  });
});

test("only ssh-endpoint touches ssh2", () => {
  const users = packages
    .filter((one) => filesWith(one, /(from|import|require)\s*\(?["']ssh2(\/|["'])/).length > 0)
    .map(({ name }) => name);
  expect(users).toEqual(["@dialhome/ssh-endpoint"]);
});

// They share their processes and the modules in them (vitest.config.ts): who was loaded before would not have the mock, who comes
// after would keep it; and a hook at the top of a shared module would run for its first user alone.
test("unit tests mock no module, and what they share hooks nothing", () => {
  const unit = packages.flatMap(({ folder }) =>
    readdirSync(join(folder, "test"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts") && !file.endsWith(".e2e.test.ts"))
      .map((file) => join(folder, "test", file)),
  );
  const wrong = unit.filter((file) => {
    const text = withoutComments(readFileSync(file, "utf8"));
    if (/\bvi\.(do)?mock\(/i.test(text)) return true;
    return !file.endsWith(".test.ts") && /^(before|after)(Each|All)\(/m.test(text);
  });
  expect(wrong).toEqual([]);
});
