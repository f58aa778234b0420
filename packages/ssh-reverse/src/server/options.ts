import type { Duplex } from "node:stream";
import type { AuthorizedKeys } from "@dialhome/authorized-keys";
import type { MuxServer, MuxServerEvent, MuxServerOptions } from "@dialhome/mux-protocol";
import type {
  ForwardWish,
  LoginRequest,
  SshChannel,
  SshServer,
  SshServerEvent,
  SshServerOptions,
} from "@dialhome/ssh-endpoint";
import type { BindPolicy } from "./bind-policy.ts";
import type { ProbeOptions } from "./greeting-probe.ts";
import type { TunnelConnection, TunnelIdentity } from "./identity.ts";
import type { KeyListEvent } from "./key-file.ts";
import type { KeyLimits } from "./key-use.ts";
import type { ListenPlace, ServedConnection } from "./listener-lease.ts";
import type { MuxDevice } from "./mux-gate.ts";
import type { TunnelStatus } from "./status.ts";

/** An authorized_keys file by its path (followed while it changes), or its text. */
export type AuthorizedKeysSource = { readonly path: string } | { readonly text: string };

/**
 * What becomes of a forwarding that the line permits:
 * `listen` binds the TCP port here; `inProcess` binds nothing, connections are opened with `connection.openForwarded()`;
 * `refused` tells the client no.
 */
export type ForwardPolicy =
  | { readonly is: "listen"; readonly host: string; readonly port: number }
  | { readonly is: "inProcess"; readonly port: number }
  | { readonly is: "refused"; readonly why: string };

/** What a callback says to a login. */
export type Admission =
  | { readonly refused: string }
  /** Let in, under a name that the host gives. */
  | { readonly name: string }
  /** Let in. */
  | undefined;

/** What happens on a tunnel server, for its log. */
export type TunnelServerEvent =
  | SshServerEvent<TunnelIdentity>
  | KeyListEvent
  /** An older connection of a device ended because a newer one asked for what it held. */
  | {
      readonly is: "replaced";
      readonly connection: TunnelConnection;
      readonly by: TunnelConnection;
      readonly place: ListenPlace;
    }
  /** The server ended a connection, for a reason that the client was told. */
  | {
      readonly is: "ended";
      readonly connection: TunnelConnection;
      readonly code:
        | "key-removed"
        | "key-expired"
        | "line-changed"
        | "unused"
        | "no-greeting"
        | "too-many";
      readonly why: string;
    }
  /** Who a device is, by the port that it asked for; with `isFirstUse` its key is bound to it from now on. */
  | {
      readonly is: "identified";
      readonly connection: TunnelConnection;
      readonly device: MuxDevice;
      readonly port: number;
      readonly isFirstUse: boolean;
    }
  /** A port was refused since the registry could not be asked. */
  | {
      readonly is: "registry-failed";
      readonly connection: TunnelConnection;
      readonly port: number;
      readonly error: unknown;
    }
  /** What happens on the mux server. */
  | { readonly is: "mux"; readonly event: MuxServerEvent }
  /** A connection through a listener is over. */
  | ({ readonly is: "served" } & ServedConnection);

/** A mux server beside the tunnels: it answers with this server's own SSH port and host keys. */
export interface TunnelMuxOptions
  extends Omit<MuxServerOptions, "sshPort" | "fingerprints" | "onEvent" | "signal"> {
  /** Where devices reach this server. @defaultValue the port that was bound first */
  readonly sshPort?: number;
}

/** A server that lets devices in by authorized_keys and does nothing but tunnel. */
export interface TunnelServerOptions
  extends Omit<SshServerOptions<TunnelIdentity>, "authorize" | "handlers" | "onEvent"> {
  /** Who is let in. @defaultValue nobody but those that `admit` lets in, which then must be there */
  readonly authorizedKeys?: AuthorizedKeysSource;
  /** How often the file of the keys is looked at between logins, ms. @defaultValue 1_000 */
  readonly keyPollMs?: number;
  /** Decides beyond the lines, and after them; asked for the question and again for the proof. @defaultValue everybody that a line lets in */
  readonly admit?: (
    identity: TunnelIdentity,
    request: LoginRequest,
  ) => Admission | Promise<Admission>;
  /** Serves shells. @defaultValue refused, with the text of the line's `command=` if it has one */
  readonly onShell?: (channel: SshChannel, connection: TunnelConnection) => void | Promise<void>;
  /** Where ports may be bound; false refuses all. @defaultValue loopback addresses, ports from 1024 */
  readonly bind?: BindPolicy | false;
  /** Decides on forwardings of TCP ports in place of `bind`. */
  readonly forwardPolicy?: (
    wish: ForwardWish,
    connection: TunnelConnection,
  ) => ForwardPolicy | Promise<ForwardPolicy>;
  /** A folder in which forwarded unix sockets are bound. @defaultValue they are refused */
  readonly sockets?: string;
  /** What one key may use. */
  readonly perKey?: KeyLimits;
  /** Leaves a connection be whose forwarding is refused; else it is ended with the reason, which every `ssh` shows. @defaultValue false */
  readonly keepRefused?: boolean;
  /** A login without forwarding and channel is ended after this, ms; 0 is never. @defaultValue 60_000 */
  readonly unusedMs?: number;
  /** A connection through a listener is cut after so long without traffic, ms; 0 is never. @defaultValue 0 */
  readonly idleMs?: number;
  /** Ends tunnels behind which nothing answers though their connection lives. @defaultValue nobody looks */
  readonly probe?: ProbeOptions;
  /**
   * Tells devices their ports over UDP, and lets each have its own ports alone. It answers from the first `listen()` on.
   *
   * @defaultValue ports are not given by identity
   */
  readonly mux?: TunnelMuxOptions;
  /** Called synchronously; must not throw. */
  readonly onEvent?: (event: TunnelServerEvent) => void;
}

/** Which of a device's forwardings is meant. */
export type ForwardChoice = { readonly port: number } | { readonly socketPath: string };

/** A tunnel server. Disposal closes it, with all its connections. */
export interface TunnelServer extends SshServer<TunnelIdentity> {
  /** The lines that are in force, as of the last look at their file; none where only `admit` decides. */
  readonly keys: AuthorizedKeys;
  /** What answers over UDP; undefined before the first `listen()`, and without `mux`. */
  readonly mux: MuxServer | undefined;
  /** Who is connected, in the order of their coming. */
  tunnels(): TunnelStatus[];
  /**
   * Opens a connection to what a device's forwarding leads to; no listener is needed.
   *
   * @param who - an identity, its `id`, or what the registry of ports or its label calls it; of several connections the newest that has the forwarding serves
   * @param which - its first forwarding unless told otherwise
   * @throws SshReverseError `ERR_SSH_REVERSE_NOT_CONNECTED`; SshEndpointError `…_CHANNEL_REFUSED`, `…_LIMIT`, or why the connection is over
   */
  connect(who: TunnelIdentity | string, which?: ForwardChoice): Promise<Duplex>;
  /** Looks at the file of the keys now, and ends the connections of those that are gone. */
  reload(): Promise<void>;
  /**
   * Ends in good order: nothing new is let in, bound or served; connections through the tunnels may finish until the
   * time is up. Then all is closed, with the text for the clients.
   */
  drain(deadlineMs: number, text?: string): Promise<void>;
}
