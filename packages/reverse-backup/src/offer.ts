import * as v from "valibot";
import { HANDSHAKE } from "./constants.ts";
import { BackupError } from "./errors.ts";

/** What a device tells its host in one line of JSON. */
export interface Offer {
  /** What the device calls itself. A hint: the host decides. */
  readonly name: string;
  /** The port that the device had forwarded. */
  readonly port: number;
  /** Random bytes that both sides prove to know. */
  readonly key: Buffer;
  /** The one module that it serves. */
  readonly rsync: {
    readonly user: string;
    readonly password: string;
    readonly module: string;
    /** The device reads with all privileges, so that owners and devices are worth keeping. */
    readonly privileged: boolean;
    readonly oneFileSystem: boolean;
    readonly fakeSuper: boolean;
    /** Access control lists and extended attributes are worth keeping. */
    readonly attributes: boolean;
  };
}

const name = v.pipe(v.string(), v.minLength(1), v.maxLength(1024));
const word = v.pipe(v.string(), v.regex(/^[\w.@+=-]{1,128}$/));
const flag = v.nullish(v.boolean(), false);

const OfferSchema = v.object({
  name,
  port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
  key: v.pipe(v.string(), v.regex(/^[\w-]{80,96}={0,2}$/)),
  rsync: v.object({
    user: word,
    key: word,
    mod: word,
    su: v.nullish(v.union([v.boolean(), v.string()]), false),
    opts: v.nullish(v.object({ one_file_system: flag, fake_super: flag, attributes: flag }), {}),
  }),
});

/** One line, without its end. */
export function encodeOffer(offer: Offer): string {
  const { oneFileSystem, fakeSuper, attributes } = offer.rsync;
  return JSON.stringify({
    name: offer.name,
    port: offer.port,
    key: urlSafeBase64(offer.key),
    rsync: {
      user: offer.rsync.user,
      key: offer.rsync.password,
      mod: offer.rsync.module,
      su: offer.rsync.privileged,
      opts: {
        one_file_system: oneFileSystem,
        fake_super: fakeSuper,
        // An original host does not know it, and keeps them of each device that reads with all privileges.
        ...(attributes ? { attributes } : {}),
      },
    },
  });
}

/** @throws BackupError `ERR_BACKUP_HANDSHAKE` for anything that is no offer; it never repeats what it was given */
export function decodeOffer(line: string): Offer {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw notAnOffer("is not JSON");
  }
  const parsed = v.safeParse(OfferSchema, json);
  if (!parsed.success) {
    throw notAnOffer(`has a wrong ${v.getDotPath(parsed.issues[0]) ?? "form"}`);
  }
  const { rsync, ...offer } = parsed.output;
  const key = Buffer.from(offer.key, "base64url");
  if (key.length !== HANDSHAKE.keyBytes) throw notAnOffer("has a wrong key");
  return {
    name: offer.name,
    port: offer.port,
    key,
    rsync: {
      user: rsync.user,
      password: rsync.key,
      module: rsync.mod,
      privileged: Boolean(rsync.su),
      oneFileSystem: rsync.opts.one_file_system ?? false,
      fakeSuper: rsync.opts.fake_super ?? false,
      attributes: rsync.opts.attributes ?? false,
    },
  };
}

function notAnOffer(why: string): BackupError {
  return new BackupError("ERR_BACKUP_HANDSHAKE", `the device's offer ${why}`);
}

/** With padding, as Python's `urlsafe_b64encode` writes it. */
function urlSafeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}
