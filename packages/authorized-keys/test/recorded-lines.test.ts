// Every case of fixtures/lines.json: 170 small files, and what OpenSSH 9.2 and 10.5 made of each
// (a login from 127.0.0.1, `ssh-keygen -l`), recorded by a script that tries the real programs.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  authorize,
  fingerprint,
  type KeyOptions,
  type PublicKey,
  parseAuthorizedKeys,
  parsePublicKey,
} from "@dialhome/authorized-keys";
import { describe, expect, it } from "vitest";

interface Case {
  readonly id: string;
  readonly file: string;
  readonly try: string;
  readonly expect: {
    readonly listed: readonly (readonly [number, string, string])[];
    readonly accepted: boolean;
    readonly line?: number;
    readonly options?: readonly string[];
    readonly command?: string;
    readonly reason?: string;
  };
}

const FIXTURES = join(import.meta.dirname, "fixtures");
const { cases }: { readonly cases: readonly Case[] } = JSON.parse(
  readFileSync(join(FIXTURES, "lines.json"), "utf8"),
);

/** The names that `ssh-keygen -l` prints. */
const SHORT: Readonly<Record<string, string>> = {
  ed25519: "ED25519",
  rsa: "RSA",
  ecdsa: "ECDSA",
  dsa: "DSA",
  "sk-ed25519": "ED25519-SK",
  "sk-ecdsa": "ECDSA-SK",
};

function shortName({ fields }: PublicKey): string {
  return fields.kind === "certificate"
    ? `${SHORT[fields.certified.kind]}-CERT`
    : (SHORT[fields.kind] ?? "?");
}

/** What is in force, in the words of sshd's log. */
function inForce(options: KeyOptions): string[] {
  const words: [string, boolean][] = [
    ["agent-forwarding", options.allow.agentForwarding],
    ["port-forwarding", options.allow.portForwarding],
    ["pty", options.allow.pty],
    ["user-rc", options.allow.userRc],
    ["x11-forwarding", options.allow.x11Forwarding],
    ["command", options.command !== undefined],
    ["environment", options.environment.size > 0],
    ["expires", options.expiresAt !== undefined],
    ["permitopen", options.permitOpen.length > 0],
    ["permitlisten", options.permitListen.length > 0],
    ["principals", options.principals !== undefined],
    ["no-touch-required", !options.touchRequired],
    ["uv", options.verifyRequired],
    [`tun=${options.tunnel}`, options.tunnel !== undefined],
  ];
  return words.filter(([, on]) => on).map(([word]) => word);
}

/** Certificates are not admitted here, and what a security key did (touch, PIN) is told by its signature, not by the line. */
const DIFFERENT_BY_DESIGN: Readonly<Record<string, string>> = {
  "cert-principals": "certificates are not admitted",
  "cert-principals-list": "certificates are not admitted",
  "cert-no-principals": "certificates are not admitted; the reason is another",
  "cert-principals-other": "certificates are not admitted; the reason is another",
  "sk-without-touch": "the line admits, the signature's flags do not",
  "sk-verify-required": "the line admits, the signature's flags do not",
  "sk-touch-required": "the line admits, the signature's flags do not",
};

/** The option of the line that refuses what the signature's flags say. */
const SK_DEMANDS: Readonly<Record<string, "touchRequired" | "verifyRequired">> = {
  "sk-without-touch": "touchRequired",
  "sk-touch-required": "touchRequired",
  "sk-verify-required": "verifyRequired",
};

function triedKey(name: string): Uint8Array | undefined {
  try {
    return parsePublicKey(readFileSync(join(FIXTURES, "keys", `${name}.pub`), "utf8")).blob;
  } catch {
    return undefined; // the post-quantum type, which this package does not know
  }
}

describe("recorded authorized_keys files", () => {
  it("are all here", () => {
    expect(cases).toHaveLength(170);
  });

  it.each(cases.map((one) => [one.id, one] as const))("%s: the same lines are keys", (_id, one) => {
    const listed = parseAuthorizedKeys(one.file).lines.flatMap((line) =>
      line.is === "comment" || line.key === undefined
        ? []
        : [[line.key.bits, fingerprint(line.key.blob), shortName(line.key)]],
    );
    // ssh-keygen shows the certified key's fingerprint for a certificate.
    const want = one.expect.listed.filter(([, , type]) => !type.endsWith("-CERT"));
    expect(listed.filter(([, , type]) => !String(type).endsWith("-CERT"))).toEqual(want);
    expect(listed).toHaveLength(one.expect.listed.length);
  });

  it.each(cases.map((one) => [one.id, one] as const))("%s: the same login", (id, one) => {
    expect(loginOf(id, one)).toEqual(recordedLogin(id, one));
  });
});

interface Login {
  readonly isAdmitted: boolean;
  readonly line?: number | undefined;
  readonly options?: readonly string[] | undefined;
  readonly command?: string | undefined;
  readonly reason?: string | undefined;
}

/** One very long command is recorded without its text. */
const WITHOUT_COMMAND = "long-command";

function loginOf(id: string, one: Case): Login {
  const keyBlob = triedKey(one.try);
  if (keyBlob === undefined) return { isAdmitted: false };
  const result = authorize(parseAuthorizedKeys(one.file), {
    keyBlob,
    address: "127.0.0.1",
    now: Date.UTC(2026, 10, 23),
  });
  if (!result.admitted) {
    const reasons = result.refusals.map(({ reason }) => reason);
    const { reason } = one.expect;
    return {
      isAdmitted: false,
      // A certificate's own refusals are not told here; all others in sshd's words.
      ...(reason !== undefined && reasons.includes(reason) ? { reason } : {}),
    };
  }
  const { options } = result.entry;
  const demand = SK_DEMANDS[id];
  if (demand !== undefined) return { isAdmitted: !options[demand] };
  return {
    isAdmitted: true,
    line: result.line,
    options: inForce(options).toSorted(),
    command: id === WITHOUT_COMMAND ? undefined : options.command,
  };
}

function recordedLogin(id: string, { expect: recorded }: Case): Login {
  if (id in DIFFERENT_BY_DESIGN || !recorded.accepted) {
    // Of a line whose options cannot even be told apart from its key no reason is known here.
    const isTold = !(id in DIFFERENT_BY_DESIGN) && recorded.reason !== "invalid key option string";
    return {
      isAdmitted: false,
      ...(isTold && recorded.reason !== undefined ? { reason: recorded.reason } : {}),
    };
  }
  const { line, options, command } = recorded;
  return { isAdmitted: true, line, options: options?.toSorted(), command };
}
