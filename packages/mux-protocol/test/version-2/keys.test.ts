import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { formatCredential, parseCredential } from "../../src/version-2/credential-text.ts";
import { deriveCredential, deriveStableId } from "../../src/version-2/keys.ts";
import { refusal } from "../support/refusal.ts";

interface Vectors {
  readonly keys: readonly {
    readonly secret: string;
    readonly identity: string;
    readonly hint: string;
    readonly stable_id: string;
    readonly wire_id: string;
    readonly key: string;
    readonly credential: string;
  }[];
}

const { keys: vectors }: Vectors = JSON.parse(
  readFileSync(new URL("../fixtures/version-2-keys.json", import.meta.url), "utf8"),
);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe.each(vectors)("the keys of $credential", (vector) => {
  const credential = deriveCredential(vector.secret, Buffer.from(vector.identity));

  test("are those of PROTOCOL.md, as another program derives them", () => {
    expect(credential.hint.toString(16).padStart(8, "0")).toBe(vector.hint);
    expect(hex(credential.stableId)).toBe(vector.stable_id);
    expect(hex(credential.wireId)).toBe(vector.wire_id);
    expect(hex(credential.key)).toBe(vector.key);
  });

  test("stand in its text, and come out of it again", () => {
    expect(formatCredential(credential)).toBe(vector.credential);
    expect(parseCredential(vector.credential)).toEqual(credential);
  });
});

test("another secret gives another key, and the same stable id", () => {
  const identity = Buffer.from("kitchen");
  const [one, other] = ["0123456789abcdef", "0123456789abcdeg"].map((secret) =>
    deriveCredential(secret, identity),
  );
  expect(one?.stableId).toEqual(other?.stableId);
  expect(one?.wireId).not.toEqual(other?.wireId);
  expect(one?.key).not.toEqual(other?.key);
  expect(one?.hint).not.toBe(other?.hint);
});

test("secrets and identities have limits", () => {
  const identity = Buffer.from("x");
  for (const length of [16, 1024]) deriveCredential(Buffer.alloc(length), identity);
  for (const length of [0, 15, 1025]) {
    expect(refusal(() => deriveCredential(Buffer.alloc(length), identity))).toBe("ERR_MUX_OPTION");
  }
  for (const length of [1, 4096]) deriveStableId(Buffer.alloc(length));
  for (const length of [0, 4097]) {
    expect(refusal(() => deriveStableId(Buffer.alloc(length)))).toBe("ERR_MUX_OPTION");
  }
});

test("a text that is nearly a credential is none", () => {
  const text = vectors[0]?.credential ?? "";
  for (const wrong of [
    text.slice(1),
    text.slice(0, -1),
    `${text}A`,
    `${text} `,
    text.replace(/.$/, "!"),
    "",
  ]) {
    expect(refusal(() => parseCredential(wrong))).toBe("ERR_MUX_OPTION");
  }
});
