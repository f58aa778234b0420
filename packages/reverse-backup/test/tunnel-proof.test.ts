import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { isProof, tunnelProof } from "../src/tunnel-proof.ts";

interface Vectors {
  readonly tunnel_proof: readonly {
    readonly key: string;
    readonly from_server: string;
    readonly from_client: string;
  }[];
}

const { tunnel_proof: vectors }: Vectors = JSON.parse(
  readFileSync(new URL("fixtures/handshake-vectors.json", import.meta.url), "utf8"),
);

test.each(vectors)("both proofs of a key are those of the original", (vector) => {
  const key = Buffer.from(vector.key, "hex");
  expect(tunnelProof(key, "server").toString("hex")).toBe(vector.from_server);
  expect(tunnelProof(key, "client").toString("hex")).toBe(vector.from_client);
});

test("only the very same bytes are a proof", () => {
  const proof = tunnelProof(Buffer.alloc(64, 1), "client");
  const other = Buffer.from(proof);
  other[63]! ^= 1;
  expect(isProof(proof, Buffer.from(proof))).toBe(true);
  expect(isProof(other, proof)).toBe(false);
  expect(isProof(proof.subarray(0, 63), proof)).toBe(false);
  expect(isProof(tunnelProof(Buffer.alloc(64, 1), "server"), proof)).toBe(false);
});
