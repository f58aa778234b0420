import {
  AuthorizedKeysError,
  decodePublicKey,
  fingerprint,
  type PublicKey,
} from "@dialhome/authorized-keys";
import type ssh2 from "ssh2";
import { BOUNDS, DISCONNECT } from "./constants.ts";
import { quotePeerText } from "./errors.ts";
import { isSignedBy } from "./signature.ts";
import { sendBanner, serializeLoginRequests } from "./ssh2-internals.ts";

/** Who wants to come in. */
export interface LoginRequest {
  readonly user: string;
  readonly key: PublicKey;
  /** `SHA256:…` */
  readonly fingerprint: string;
  /** Address of the client. */
  readonly address: string;
  readonly port: number;
  /** False for the question "would this key do?", which proves nothing: it is asked again with a signature. */
  readonly isProven: boolean;
}

/** Whether a key is let in; `identity` is whatever the embedder wants to know the connection by. */
export type LoginDecision<Identity> = { readonly identity: Identity } | LoginNo;

/** No, with the reason for the log. A client is told nothing by it, but for these two, and then only after it has proven that it holds the key. */
export interface LoginNo {
  readonly refused: string;
  /** A text that its `ssh` shows; another key may be tried. @defaultValue nothing is told */
  readonly tell?: string;
  /** The key would do, but not now: the connection ends with `refused`, which every `ssh` shows, and that is no offence. @defaultValue false */
  readonly notNow?: boolean;
}

/** A login that failed, for logs. */
export interface LoginRefusal {
  readonly user: string;
  readonly fingerprint: string | undefined;
  readonly reason: string;
}

/** @internal What the login of one connection needs. */
export interface LoginOptions<Identity> {
  readonly address: string;
  readonly port: number;
  readonly tries: number;
  readonly authorize: (
    request: LoginRequest,
  ) => LoginDecision<Identity> | Promise<LoginDecision<Identity>>;
  readonly onRefused: (refusal: LoginRefusal) => void;
  readonly onAccepted: (identity: Identity, request: LoginRequest) => void;
  /** Somebody with a good key comes at a bad time. */
  readonly onNotNow: (refusal: LoginRefusal) => void;
  readonly hangUp: (reason: number, text: string) => void;
}

/**
 * @internal Runs the login (RFC 4252) of one connection: public keys only, one decision at a time, each signature
 * verified here, and no more tries than allowed. Call it when the client's identification arrived.
 */
export function runLogin<Identity>(client: ssh2.Connection, options: LoginOptions<Identity>): void {
  let failures = 0;
  let hasAskedForMethods = false;
  const queue = serializeLoginRequests(client, () =>
    options.hangUp(DISCONNECT.protocolError, "too many login requests at once"),
  );

  const refuse = (ctx: ssh2.AuthContext, reason: string, key?: PublicKey): void => {
    options.onRefused({
      user: quotePeerText(ctx.username),
      fingerprint: key === undefined ? undefined : fingerprint(key.blob),
      reason,
    });
    failures++;
    if (failures >= options.tries) {
      options.hangUp(DISCONNECT.protocolError, "Too many authentication failures");
      return;
    }
    ctx.reject(["publickey"]);
  };

  const decide = async (ctx: ssh2.AuthContext): Promise<void> => {
    if (ctx.method === "none" && !hasAskedForMethods) {
      hasAskedForMethods = true; // how clients learn which methods there are; not a failure
      ctx.reject(["publickey"]);
      return;
    }
    if (ctx.method !== "publickey") {
      refuse(ctx, `method ${quotePeerText(ctx.method)} is not offered`);
      return;
    }
    const key = readKey(ctx);
    if (typeof key === "string") {
      refuse(ctx, key);
      return;
    }
    if (ctx.username.length > BOUNDS.nameLength) {
      refuse(ctx, "the user name is too long", key);
      return;
    }
    const { signature, blob } = ctx;
    // Hazard H12: what ssh2 hands over is a claim. Verified before anybody else looks at it.
    const isProven =
      signature !== undefined &&
      blob !== undefined &&
      isSignedBy(key, blob, signature, rsaHashOf(ctx));
    if (signature !== undefined && !isProven) {
      refuse(ctx, "the signature is wrong", key);
      return;
    }
    const request: LoginRequest = {
      user: ctx.username,
      key,
      fingerprint: fingerprint(key.blob),
      address: options.address,
      port: options.port,
      isProven,
    };
    const decision = await options.authorize(request);
    if ("refused" in decision) {
      const { refused: reason, tell, notNow = false } = decision;
      // What is for the key's owner alone waits for the proof.
      if (!isProven && (notNow || tell !== undefined)) ctx.accept();
      else if (notNow) {
        const { fingerprint: ofKey } = request;
        options.onNotNow({ user: quotePeerText(ctx.username), fingerprint: ofKey, reason });
        options.hangUp(DISCONNECT.tooManyConnections, reason);
      } else {
        if (tell !== undefined) sendBanner(client, `${tell}\r\n`);
        refuse(ctx, reason, key);
      }
      return;
    }
    if (isProven) options.onAccepted(decision.identity, request);
    ctx.accept(); // without a signature this only says that the key would do
  };

  client.on("authentication", (ctx) => {
    decide(ctx)
      .catch((error: unknown) => {
        refuse(ctx, `the check failed: ${error instanceof Error ? error.message : String(error)}`);
      })
      .then(() => queue.next())
      .catch(() => {}); // the connection died meanwhile: there is nobody to answer
  });
}

function readKey(ctx: ssh2.PublicKeyAuthContext): PublicKey | string {
  try {
    const key = decodePublicKey(ctx.key.data);
    if (key.type !== ctx.key.algo) return "the key is not of the type that it is called";
    if (key.fields.kind === "rsa" && rsaHashOf(ctx) === undefined) return "RSA with SHA-1";
    return key;
  } catch (error) {
    if (error instanceof AuthorizedKeysError) return `the key cannot be read: ${error.message}`;
    throw error;
  }
}

function rsaHashOf(ctx: ssh2.PublicKeyAuthContext): "sha256" | "sha512" | undefined {
  return ctx.hashAlgo === "sha256" || ctx.hashAlgo === "sha512" ? ctx.hashAlgo : undefined;
}
