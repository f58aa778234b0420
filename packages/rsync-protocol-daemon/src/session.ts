import type {
  Checksum,
  FileListFormat,
  IdNameLookup,
  ProtocolTraits,
  RsyncError,
  ServerOptions,
  TokenWriter,
  Wire,
} from "@dialhome/rsync-protocol";
import type { Log } from "./options.ts";
import type { Pace } from "./pace.ts";
import type { Report } from "./report.ts";

/** A file that was sent: its path below the module, its size, and the bytes of it that the client did not have. */
export interface FileFacts {
  readonly path: string;
  readonly size: number;
  readonly literalBytes: number;
}

/** What the module, and options that only concern the sender, say about how entries are sent. */
export interface SendRules {
  /** Leave out what this process may not read, without a word. */
  readonly ignoreNonreadable: boolean;
  /** Take the prefix of munged links away. */
  readonly unmungesLinks: boolean;
  /** Tell the client nothing of I/O errors that would keep it from deleting. */
  readonly ignoreErrors: boolean;
  /** Leave times of access as they are. */
  readonly noAtime: boolean;
  /** Called for each file that was sent. */
  readonly onFileSent: ((file: FileFacts) => void) | undefined;
}

/** What the sending part of a session works with, once the start is over. */
export interface Session {
  readonly wire: Wire;
  readonly pace: Pace;
  readonly report: Report;
  readonly log: Log;
  readonly protocol: number;
  readonly traits: ProtocolTraits;
  readonly options: Readonly<ServerOptions>;
  readonly rules: SendRules;
  readonly format: FileListFormat;
  /** Of blocks and of whole files in the transfer. */
  readonly checksum: Checksum;
  /** Of files in the list (`-c`); apart from the other, since both may be in use at once. */
  readonly listChecksum: Checksum;
  /** Takes the content of files, and compresses it where that was agreed. */
  readonly tokens: TokenWriter;
  /** No attribute values are exchanged for a file that the client made a hard link. */
  readonly sparesLinkedXattrs: boolean;
  readonly names: IdNameLookup;
  readonly progress: Progress;
}

/** What was done so far; the result is made from it, however the session ends. */
export interface Progress {
  module: string | undefined;
  user: string | undefined;
  protocol: number | undefined;
  /** Frames are on, so that a failure can be told in a message. */
  isBinary: boolean;
  entries: number;
  filesSent: number;
  literalBytes: number;
  matchedBytes: number;
  error: RsyncError | undefined;
}

export function noProgress(): Progress {
  return {
    module: undefined,
    user: undefined,
    protocol: undefined,
    isBinary: false,
    entries: 0,
    filesSent: 0,
    literalBytes: 0,
    matchedBytes: 0,
    error: undefined,
  };
}
