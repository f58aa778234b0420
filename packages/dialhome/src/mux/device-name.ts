import { deriveStableId, type Registration } from "@dialhome/mux-protocol";
import { DialhomeError, usageError } from "../errors.ts";

/** A device of the command line: by what the registry knows it by, or by the text that it calls itself. */
export interface DeviceFlags {
  readonly identString?: string;
  readonly muxVersion?: string;
}

/** Shorter beginnings of an identity are too easily another's. */
const PREFIX_LEAST = 6;

/** Characters of an identity that a table shows: all of version 2's, and a beginning of version 1's. */
const SHOWN = 32;

/** The text inside an identity of version 1 that is one; version 2's are hashes. */
export function identityText(identity: string): string | undefined {
  if (!/^([0-9a-f]{2})+$/.test(identity)) return undefined;
  const bytes = Buffer.from(identity, "hex");
  const text = bytes.toString("utf8");
  const isText = Buffer.from(text).equals(bytes) && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text);
  return isText ? text : undefined;
}

/** A device for people. */
export function formatDevice({
  identity,
  forwarding,
}: Pick<Registration, "identity" | "forwarding">): string {
  const text = identityText(identity);
  const short = identity.length > SHOWN ? `${identity.slice(0, SHOWN)}…` : identity;
  const name = text === undefined ? short : `"${text}"`;
  return forwarding === 0 ? name : `${name} (forwarding ${forwarding})`;
}

/** What the registry knows a device by that calls itself by a text. @throws DialhomeError */
export function identityOfText({ identString, muxVersion = "2" }: DeviceFlags): string | undefined {
  if (identString === undefined) return undefined;
  if (identString === "") throw usageError("--ident-string is empty");
  if (muxVersion !== "1" && muxVersion !== "2") {
    throw usageError(`--mux-version is 1 or 2, not "${muxVersion}"`);
  }
  const bytes = Buffer.from(identString);
  return Buffer.from(muxVersion === "1" ? bytes : deriveStableId(bytes)).toString("hex");
}

/**
 * The one device that is meant: its identity, the beginning of it, or the text of a version 1.
 *
 * @throws DialhomeError when it is none, or several
 */
export function findDevice(wanted: string, list: readonly Registration[]): string {
  const identities = [...new Set(list.map(({ identity }) => identity))];
  const exact = identities.find((one) => one === wanted || identityText(one) === wanted);
  if (exact !== undefined) return exact;
  const found =
    wanted.length < PREFIX_LEAST ? [] : identities.filter((one) => one.startsWith(wanted));
  const [only, other] = found;
  if (only !== undefined && other === undefined) return only;
  const why = other === undefined ? "no device" : `${found.length} devices`;
  const what = `the registry knows ${why} "${wanted.slice(0, 80)}"; dialhome mux list shows them`;
  throw new DialhomeError("ERR_DIALHOME_REFUSED", what);
}
