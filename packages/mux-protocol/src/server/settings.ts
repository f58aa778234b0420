import { SERVER, VERSION_1, VERSION_2 } from "../constants.ts";
import { MuxError } from "../mux-error.ts";
import { assertPortRange } from "../port-range.ts";
import { fingerprintBytes } from "../version-2/answer-items.ts";
import type { MuxServerOptions } from "./options.ts";
import type { Rate } from "./token-bucket.ts";

/** What a server needs besides its judges, all of it there and within its bounds. */
export interface ServerSettings {
  readonly versions: ReadonlySet<1 | 2>;
  readonly secrets: readonly Uint8Array[];
  readonly sshPort: number;
  readonly fingerprints: readonly string[];
  readonly answers: number;
  readonly answersWithinMs: number;
  readonly windowMs: number;
  readonly forwardings: number;
  readonly perSource: Rate;
  readonly inAll: Rate;
}

/** @throws MuxError `ERR_MUX_OPTION` */
export function resolveServerSettings(options: MuxServerOptions): ServerSettings {
  const { secrets, versions = [2], sshPort = 22, fingerprints = [] } = options;
  const { answers = SERVER.answers, answersWithinMs = SERVER.answersWithinMs } = options;
  const { windowMs = SERVER.windowMs, forwardings = SERVER.forwardings } = options;
  const { perSource = SERVER.perSource, inAll = SERVER.inAll } = options;
  assertPortRange(options.portRange);
  assertWithin("an SSH port", sshPort, 1, 0xff_ff);
  assertWithin("a count of answers", answers, 1, VERSION_2.answersMost);
  assertWithin("a time for answers (ms)", answersWithinMs, 0, SERVER.answersWithinMostMs);
  assertWithin("a window (ms)", windowMs, 1, SERVER.windowMostMs);
  assertWithin("a count of forwardings", forwardings, 1, VERSION_2.forwardingsMost);
  assertWithin("a count of fingerprints", fingerprints.length, 0, VERSION_2.fingerprintsMost);
  for (const fingerprint of fingerprints) fingerprintBytes(fingerprint);
  for (const { perSecond, burst } of [perSource, inAll]) {
    assertWithin("a rate per second", perSecond, 1, 1_000_000);
    assertWithin("a burst", burst, 1, 1_000_000);
  }
  if (versions.length === 0) throw new MuxError("ERR_MUX_OPTION", "no version is spoken");
  const list = typeof secrets === "string" || secrets instanceof Uint8Array ? [secrets] : secrets;
  const spoken = new Set(versions);
  const bytes = list.map((secret) => Buffer.from(secret));
  if (spoken.has(1)) {
    for (const secret of bytes) {
      assertWithin("a secret of version 1 (bytes)", secret.length, 1, VERSION_1.secretMost);
    }
  }
  return {
    versions: spoken,
    secrets: bytes,
    sshPort,
    fingerprints,
    answers,
    answersWithinMs,
    windowMs,
    forwardings,
    perSource,
    inAll,
  };
}

function assertWithin(what: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new MuxError("ERR_MUX_OPTION", `${what} is from ${least} to ${most}, not ${value}`, {
    limit: most,
  });
}
