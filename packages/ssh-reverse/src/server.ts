import { authorize, isListenPermitted, type KeyOptions } from "@dialhome/authorized-keys";
import {
  createSshServer,
  type ForwardAnswer,
  type ForwardWish,
  type LoginRequest,
  type ServerConnection,
  type SshChannel,
  type SshServer,
  type SshServerOptions,
} from "@dialhome/ssh-endpoint";
import { type AuthorizedKeysSource, openAuthorizedKeys } from "./authorized-keys-source.ts";
import { bindForward } from "./listener.ts";

/** Who a connection is: the key's line in authorized_keys. */
export interface TunnelIdentity {
  /** The account name that the client gave; it decides nothing. */
  readonly user: string;
  /** `SHA256:…` of the key. */
  readonly fingerprint: string;
  /** Number of the line, from 1. */
  readonly line: number;
  /** The comment behind the key. */
  readonly comment: string;
  /** The line's options as data: `command`, `environment` and the rest are not acted upon here. */
  readonly options: KeyOptions;
}

/** A client's connection to a tunnel server. */
export type TunnelConnection = ServerConnection<TunnelIdentity>;

/**
 * What becomes of a forwarding that the line permits:
 * `listen` binds the TCP port here; `inProcess` binds nothing, connections are opened with `connection.openForwarded()`;
 * `refused` tells the client no.
 */
export type ForwardPolicy =
  | { readonly is: "listen"; readonly host: string; readonly port: number }
  | { readonly is: "inProcess"; readonly port: number }
  | { readonly is: "refused"; readonly why: string };

/** A server that lets devices in by authorized_keys and does nothing but tunnel. */
export interface TunnelServerOptions
  extends Omit<SshServerOptions<TunnelIdentity>, "authorize" | "handlers"> {
  /** Who is let in. A path is read anew at each login. */
  readonly authorizedKeys: AuthorizedKeysSource;
  /** Decides beyond the lines; called after them. @defaultValue everybody that a line lets in */
  readonly admit?: (
    identity: TunnelIdentity,
    request: LoginRequest,
  ) => { readonly refused: string } | undefined;
  /** Serves shells. @defaultValue refused */
  readonly onShell?: (channel: SshChannel, connection: TunnelConnection) => void | Promise<void>;
  /** Decides on forwardings. @defaultValue refused */
  readonly forwardPolicy?: (
    wish: ForwardWish,
    connection: TunnelConnection,
  ) => ForwardPolicy | Promise<ForwardPolicy>;
}

/**
 * Makes a tunnel server. Lines are read as sshd reads them (`restrict`, `from`, `expiry-time`, `permitlisten`);
 * a line with `restrict` needs `port-forwarding` to forward.
 *
 * @throws SshEndpointError as createSshServer()
 */
export async function createTunnelServer(
  options: TunnelServerOptions,
): Promise<SshServer<TunnelIdentity>> {
  const { authorizedKeys, admit, onShell, forwardPolicy, ...rest } = options;
  const readKeys = openAuthorizedKeys(authorizedKeys);
  return createSshServer<TunnelIdentity>({
    ...rest,
    authorize: async (request) => {
      const found = authorize(await readKeys(), {
        keyBlob: request.key.blob,
        address: request.address,
        now: Date.now(),
      });
      if (!found.admitted) {
        const reasons = found.refusals.map(({ line, reason }) => `line ${line}: ${reason}`);
        return { refused: reasons.length === 0 ? "the key is not known" : reasons.join("; ") };
      }
      const identity: TunnelIdentity = {
        user: request.user,
        fingerprint: request.fingerprint,
        line: found.line,
        comment: found.entry.comment,
        options: found.entry.options,
      };
      return admit?.(identity, request) ?? { identity };
    },
    handlers: {
      ...(onShell === undefined ? {} : { session: { shell: onShell } }),
      ...(forwardPolicy === undefined
        ? {}
        : { forward: async (wish, connection) => forward(wish, connection, forwardPolicy) }),
    },
  });
}

async function forward(
  wish: ForwardWish,
  connection: TunnelConnection,
  policy: NonNullable<TunnelServerOptions["forwardPolicy"]>,
): Promise<ForwardAnswer> {
  if (!isListenPermitted(connection.identity.options, wish.bindAddress, wish.bindPort)) {
    return { refused: "the key's line does not permit it" };
  }
  const decision = await policy(wish, connection);
  switch (decision.is) {
    case "refused":
      return { refused: decision.why };
    case "inProcess":
      return { port: decision.port };
    case "listen":
      return bindForward(wish, decision, connection);
    default:
      return decision satisfies never;
  }
}
