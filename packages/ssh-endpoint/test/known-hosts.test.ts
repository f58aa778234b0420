import { parsePublicKey } from "@dialhome/authorized-keys";
import {
  formatKnownHostLine,
  generateKey,
  hostName,
  judgeHostKey,
  parseKnownHosts,
} from "@dialhome/ssh-endpoint";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { namesHost } from "../src/known-hosts.ts";
import { codePoint } from "./support/code-point.ts";

const A = generateKey();
const B = generateKey();

function judge(text: string, host: string, port = 22, key = A): string {
  return judgeHostKey(parseKnownHosts(text, "file"), host, port, key.publicKey.blob).is;
}

describe("judgeHostKey", () => {
  it.each([
    [`host ${A.publicLine}`, "host", 22, "known"],
    [`host ${A.publicLine}`, "HOST", 22, "known"],
    [`Host ${A.publicLine} comment`, "host", 22, "known"],
    [`host,192.0.2.1 ${A.publicLine}`, "192.0.2.1", 22, "known"],
    [`[host]:2222 ${A.publicLine}`, "host", 2222, "known"],
    [`[host]:2222 ${A.publicLine}`, "host", 22, "unknown"],
    [`host ${A.publicLine}`, "host", 2222, "known"], // the same key under the plain name is good for another port
    [`host ${B.publicLine}`, "host", 2222, "unknown"], // another one says nothing about that port
    [`*.example ${A.publicLine}`, "a.example", 22, "known"],
    [`*.example,!b.example ${A.publicLine}`, "b.example", 22, "unknown"],
    [`h?st ${A.publicLine}`, "host", 22, "known"],
    [`host ${B.publicLine}`, "host", 22, "changed"],
    [`host ${B.publicLine}\nhost ${A.publicLine}`, "host", 22, "known"],
    [`@revoked * ${A.publicLine}\nhost ${A.publicLine}`, "host", 22, "revoked"],
    [`@revoked other ${A.publicLine}\nhost ${A.publicLine}`, "host", 22, "known"],
    [`@cert-authority host ${A.publicLine}`, "host", 22, "unknown"],
    [`@unknown host ${A.publicLine}`, "host", 22, "unknown"],
    [`# host ${A.publicLine}`, "host", 22, "unknown"],
    ["host ssh-ed25519 AAAA", "host", 22, "unknown"],
    [`host ${A.publicLine}\r`, "host", 22, "known"],
    ["", "host", 22, "unknown"],
    // From `ssh-keygen -H`: the name is "host".
    [
      `|1|c2FsdHNhbHRzYWx0c2FsdHNhbHQ=|fuXM0OPnnSJwB2m5UIjKVc1AM1E= ${A.publicLine}`,
      "other",
      22,
      "unknown",
    ],
    [`|1|!!|?? ${A.publicLine}`, "host", 22, "unknown"],
    [`|2|a|b ${A.publicLine}`, "host", 22, "unknown"],
  ])("%s for %s port %i: %s", (text, host, port, verdict) => {
    expect(judge(text, host, port)).toBe(verdict);
  });

  it("tells where the known keys of a changed host stand", () => {
    const entries = parseKnownHosts(`\nhost ${B.publicLine}\n`, "/etc/known");
    expect(judgeHostKey(entries, "host", 22, A.publicKey.blob)).toMatchObject({
      is: "changed",
      known: [{ source: "/etc/known:2" }],
    });
  });
});

describe("known_hosts lines", () => {
  it("what is written is known again", () => {
    const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6());
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65_535 }), (name, port) => {
        const line = formatKnownHostLine(name, port, A.publicKey);
        expect(judge(`${line}\n`, name, port)).toBe("known");
        expect(judge(`${line}\n`, name, port, B)).toBe("changed");
      }),
    );
  });

  it("any text is read without an exception", () => {
    fc.assert(
      fc.property(fc.string({ unit: codePoint }), fc.string(), (text, host) => {
        expect(judge(text, host)).toBe("unknown");
        expect(typeof namesHost(text, hostName(host, 22))).toBe("boolean");
      }),
    );
  });

  it("keys are compared by what they are", () => {
    expect(parsePublicKey(A.publicLine).blob).toEqual(A.publicKey.blob);
  });
});
