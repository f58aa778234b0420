import type { AuthDigest, RsyncError } from "@dialhome/rsync-protocol";
import type { HostLookup, HostRules } from "./host-rules.ts";

/** Tells what a session does; `event` is a stable word, `fields` are its facts. */
export type Log = (
  level: "debug" | "info" | "warn" | "error",
  event: string,
  fields: Readonly<Record<string, unknown>>,
) => void;

/** A user who may read a module. */
export interface AuthUser {
  readonly user: string;
  readonly secret: string;
}

/** What proves a user: a secret, or any of several; undefined for an unknown user. */
export type UserSecret = string | readonly string[] | undefined;

/** Looks up what proves a user. */
export type SecretLookup = (user: string) => UserSecret | Promise<UserSecret>;

/** One read-only module of a daemon; rsyncd.conf(5). */
export interface ModuleOptions {
  /** Name by which clients ask for it: no slash, not empty. */
  readonly name: string;
  /** Directory that is served. Text, or bytes where the path is not UTF-8. */
  readonly path: string | Buffer;
  /** Shown behind the name in the listing. @defaultValue "" */
  readonly comment?: string;
  /** Whether the listing shows the module. @defaultValue true */
  readonly list?: boolean;
  /** Who may read it. Without it everybody may. */
  readonly authUsers?: readonly AuthUser[] | SecretLookup;
  /** Digests accepted for the challenge. @defaultValue sha512, sha256, sha1, md5, md4 */
  readonly authDigests?: readonly AuthDigest[];
  /** Filter rules with words between them, as in rsyncd.conf(5): what they exclude does not exist for clients. */
  readonly filter?: string;
  /** The same, one rule each, as in a merge file: these may hold white space. They are looked at first. */
  readonly filterRules?: readonly string[];
  /** Patterns to include, and to exclude, looked at after `filter`; `…From` have one on each line, and come first. */
  readonly include?: string;
  readonly includeFrom?: string;
  readonly exclude?: string;
  readonly excludeFrom?: string;
  /** Who may connect, by address and name; {@link ServeOptions.peer} is what they are compared with. @defaultValue everybody */
  readonly hosts?: HostRules;
  /** Leave out files and directories that this process may not read, without a word. @defaultValue false */
  readonly ignoreNonreadable?: boolean;
  /** Take `/rsyncd-munged/` away from the targets of links, for a tree that was filled so. @defaultValue false */
  readonly unmungeLinks?: boolean;
  /** Let clients delete though something could not be read, as their `--ignore-errors` does. @defaultValue false */
  readonly ignoreErrors?: boolean;
  /** Leave files' times of access as they are, where that is allowed; false never. @defaultValue as the client asks */
  readonly openNoatime?: boolean;
  /** Called for each file whose content is sent, once it is. @defaultValue none */
  readonly onFileSent?: (file: SentFile) => void;
  /** Send no names of users and groups, whatever the client asks for. @defaultValue false */
  readonly numericIds?: boolean;
  /** Longest silence of a client after the handshake, in seconds; 0 is for ever. @defaultValue 0 */
  readonly timeoutSeconds?: number;
  /** Options that are refused, as rsyncd.conf(5) has them: names, letters, wildcards, and with `!` what is allowed. @defaultValue none */
  readonly refuseOptions?: readonly string[];
  /**
   * Where a symbolic link is followed, in a requested path or for `-L`: whether one to an absolute path is taken as seen from
   * the module's directory, as behind chroot(2). Else it leads nowhere. Nothing outside is reached either way.
   * @defaultValue true
   */
  readonly followAbsoluteLinks?: boolean;
  /** Sessions at a time; 0 is no limit, and less than 0 none at all. Counted per {@link RsyncDaemon}. @defaultValue 0 */
  readonly maxConnections?: number;
}

/** A file whose content was sent. */
export interface SentFile {
  /** Below the module, latin1. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Bytes of it that were sent as they are. */
  readonly literalBytes: number;
  readonly peer: string;
  readonly user: string | undefined;
}

/** What all sessions share. */
export interface SessionOptions {
  /** Ends the session. */
  readonly signal?: AbortSignal;
  /** Takes events. @defaultValue none */
  readonly log?: Log;
  /** Highest protocol that is spoken: 30, 31 or 32. @defaultValue 32 */
  readonly protocol?: number;
  /** Time for the whole handshake in ms. @defaultValue 60_000 */
  readonly handshakeTimeoutMs?: number;
  /** How long a finished session waits for the client to close its side, in ms. @defaultValue 10_000 */
  readonly closingTimeoutMs?: number;
  /** Seed of the block sums, a signed 32-bit integer. @defaultValue random */
  readonly checksumSeed?: number;
}

/** A daemon. */
export interface DaemonOptions extends SessionOptions {
  readonly modules: readonly ModuleOptions[];
  /** Message of the day, shown to every client. @defaultValue none */
  readonly motd?: string;
  /** Sessions of all modules at a time, those in their handshake included. @defaultValue 1_000 */
  readonly maxSessions?: number;
  /** Answers questions for names in {@link ModuleOptions.hosts}. @defaultValue DNS */
  readonly hostLookup?: HostLookup;
}

/** Options of one session of a daemon. */
export interface ServeOptions {
  /** Ends this session. */
  readonly signal?: AbortSignal;
  /** The client's address, for the log and for {@link ModuleOptions.hosts}. @defaultValue "unknown" */
  readonly peer?: string;
}

/** `rsync --server --sender` on a channel. */
export interface SenderOptions extends SessionOptions {
  /** Nothing outside of this directory is read. @defaultValue "/" */
  readonly root?: string | Buffer;
  /** Words that `-C` takes besides CVS's own: the texts of `$HOME/.cvsignore` and CVSIGNORE, latin1. @defaultValue none */
  readonly cvsIgnore?: readonly string[];
  /** Where relative paths of the command line begin, as a path below `root`. @defaultValue "/" */
  readonly cwd?: string;
  /** Send no names of users and groups. @defaultValue false */
  readonly numericIds?: boolean;
  /** Longest silence of the client after the handshake, in seconds; 0 is for ever. @defaultValue 0 */
  readonly timeoutSeconds?: number;
  /** Long names of options that are refused. @defaultValue none */
  readonly refuseOptions?: readonly string[];
  /** Called before the stream is ended: an exec channel gives its exit status here. @defaultValue none */
  readonly onExit?: (exitCode: number) => void;
}

/** How a session ended. */
export interface ServeResult {
  /** What rsync(1) would have exited with: 0, 23 when something could not be read, 24 when files vanished, … */
  readonly exitCode: number;
  /** Why it ended early; undefined after a whole session. */
  readonly error: RsyncError | undefined;
  /** The module that was chosen. */
  readonly module: string | undefined;
  /** The user who proved the secret. */
  readonly user: string | undefined;
  /** The negotiated protocol; undefined if it did not come so far. */
  readonly protocol: number | undefined;
  /** Entries in the file lists. */
  readonly entries: number;
  /** Files whose content was sent. */
  readonly filesSent: number;
  /** Bytes sent as literal data, and bytes that the client took from its own copies. */
  readonly literalBytes: number;
  readonly matchedBytes: number;
  /** Bytes on the stream. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
}
