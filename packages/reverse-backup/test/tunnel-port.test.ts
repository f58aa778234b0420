import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { hashToInt, tunnelPorts } from "../src/tunnel-port.ts";

interface Vectors {
  readonly hash_to_int: {
    readonly ports_22000_22999: readonly {
      readonly name: string;
      readonly attempt: number;
      readonly port: number;
    }[];
    readonly other_ranges: readonly {
      readonly name: string;
      readonly attempt: number;
      readonly max: number;
      readonly value: number;
    }[];
  };
}

// Computed with Python's hashlib, as the original scripts do it.
const { hash_to_int: vectors }: Vectors = JSON.parse(
  readFileSync(new URL("fixtures/handshake-vectors.json", import.meta.url), "utf8"),
);

test.each(vectors.ports_22000_22999)(
  "attempt $attempt of $name is port $port",
  ({ name, attempt, port }) => {
    expect(tunnelPorts(name)[attempt] ?? 22_000 + hashToInt(name, attempt, 999)).toBe(port);
  },
);

test.each(vectors.other_ranges)("attempt $attempt of $name up to $max is $value", (vector) => {
  expect(hashToInt(vector.name, vector.attempt, vector.max)).toBe(vector.value);
});

test("a name has five ports, all in range, always the same", () => {
  const ports = tunnelPorts("any machine");
  expect(ports).toHaveLength(5);
  expect(ports.every((port) => port >= 22_000 && port <= 22_999)).toBe(true);
  expect(tunnelPorts("any machine")).toEqual(ports);
});
