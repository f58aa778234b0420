import { blake2b } from "@noble/hashes/blake2.js";
import { VERSION_2 } from "../constants.ts";
import { MuxError } from "../mux-error.ts";

/** A secret, made ready for deriving. */
export interface MasterKey {
  /** Says in a packet which secret it is under. */
  readonly hint: number;
  /** @internal */
  readonly master: Uint8Array;
}

/** All that a device needs: it opens this device's packets and no other's. */
export interface Credential {
  readonly hint: number;
  /** Hash of the identity, whatever the secret; travels encrypted only. 16 bytes. */
  readonly stableId: Uint8Array;
  /** Keyed hash of the stable id; everybody sees it. 16 bytes. */
  readonly wireId: Uint8Array;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

/** BLAKE2b's personalisation, so that no derivation can pass for another. */
const label = (text: string): Uint8Array => Buffer.from(text.padEnd(16, "\0"), "latin1");

const LABEL = {
  master: label("dh-mux2-master"),
  hint: label("dh-mux2-hint"),
  stable: label("dh-mux2-stable"),
  wire: label("dh-mux2-wire"),
  device: label("dh-mux2-device"),
} as const;

/**
 * @param secret - 16 to 1024 random bytes; text counts as UTF-8
 * @throws MuxError `ERR_MUX_OPTION` for another length
 */
export function deriveMasterKey(secret: Uint8Array | string): MasterKey {
  const bytes = typeof secret === "string" ? Buffer.from(secret) : secret;
  const { secretLeast, secretMost, key, hint } = VERSION_2;
  if (bytes.length < secretLeast || bytes.length > secretMost) {
    throw new MuxError(
      "ERR_MUX_OPTION",
      `a secret of ${bytes.length} bytes: version 2 takes ${secretLeast} to ${secretMost} random ones`,
      { limit: bytes.length < secretLeast ? secretLeast : secretMost },
    );
  }
  const master = blake2b(bytes, { dkLen: key, personalization: LABEL.master });
  const hinted = hash(hint, master, LABEL.hint, new Uint8Array());
  return { master, hint: Buffer.from(hinted).readUInt32BE() };
}

/**
 * What a server's registry knows an identity by. It depends on no secret, so it outlives a change of the secret.
 *
 * @param identity - 1 to 4096 bytes
 * @throws MuxError `ERR_MUX_OPTION` for another length
 */
export function deriveStableId(identity: Uint8Array): Uint8Array {
  const { identityMost, id } = VERSION_2;
  if (identity.length < 1 || identity.length > identityMost) {
    throw new MuxError(
      "ERR_MUX_OPTION",
      `an identity of ${identity.length} bytes: version 2 takes 1 to ${identityMost}`,
      { limit: identityMost },
    );
  }
  return blake2b(identity, { dkLen: id, personalization: LABEL.stable });
}

/** What an onlooker sees of a stable id. */
export function deriveWireId({ master }: MasterKey, stableId: Uint8Array): Uint8Array {
  return hash(VERSION_2.id, master, LABEL.wire, stableId);
}

/** The key of a device, from what stands in its packets. */
export function deriveDeviceKey({ master }: MasterKey, wireId: Uint8Array): Uint8Array {
  return hash(VERSION_2.key, master, LABEL.device, wireId);
}

/**
 * What a device works with in place of the secret.
 *
 * @throws MuxError `ERR_MUX_OPTION` for a secret of less than 16 or more than 1024 bytes, an identity of none or more than 4096
 */
export function deriveCredential(secret: Uint8Array | string, identity: Uint8Array): Credential {
  const master = deriveMasterKey(secret);
  const stableId = deriveStableId(identity);
  const wireId = deriveWireId(master, stableId);
  return { hint: master.hint, stableId, wireId, key: deriveDeviceKey(master, wireId) };
}

function hash(
  dkLen: number,
  key: Uint8Array,
  personalization: Uint8Array,
  message: Uint8Array,
): Uint8Array {
  return blake2b(message, { key, dkLen, personalization });
}
