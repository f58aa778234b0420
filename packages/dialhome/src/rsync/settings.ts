import type { ChecksumChoice, CompressionName } from "@dialhome/rsync-protocol";
import type { InfoLevels } from "./info-levels.ts";
import type { Flag } from "./option-table.ts";

/** Everything that the options of a command line say. */
export interface RsyncSettings {
  readonly flags: ReadonlySet<Flag>;
  /** Flags that `--no-NAME` took back. */
  readonly negated: ReadonlySet<Flag>;
  readonly verbose: number;
  readonly human: number;
  /** Bytes. */
  readonly blockSize: number | undefined;
  readonly checksumChoice: ChecksumChoice | undefined;
  readonly checksumSeed: number | undefined;
  /** How often `-z` was given. */
  readonly compress: number;
  readonly compressChoice: CompressionName | undefined;
  readonly compressLevel: number | undefined;
  readonly skipCompress: string | undefined;
  readonly modifyWindow: number | undefined;
  /** 0 is for ever. */
  readonly timeoutSeconds: number;
  /** 0 is for ever. */
  readonly contimeoutSeconds: number;
  readonly passwordFile: string | undefined;
  readonly port: number | undefined;
  readonly address: string | undefined;
  readonly protocol: number | undefined;
  readonly partialDir: string | undefined;
  readonly tempDir: string | undefined;
  readonly backupDir: string | undefined;
  /** latin1 */
  readonly suffix: string | undefined;
  readonly maxDelete: number | undefined;
  /** KiB per second; 0 is no limit. */
  readonly bwlimit: number | undefined;
  /** Bytes. */
  readonly maxSize: number | undefined;
  readonly minSize: number | undefined;
  /** ms since 1970. */
  readonly stopAtMs: number | undefined;
  /** Items in rsync's words, with commas between them. */
  readonly chmod: string | undefined;
  /** `FROM:TO` pairs, latin1, with commas between them. */
  readonly userMap: string | undefined;
  readonly groupMap: string | undefined;
  readonly linkDest: readonly string[];
  readonly copyDest: readonly string[];
  readonly compareDest: readonly string[];
  /** `--files-from`: a file, `-`, or `[HOST]:FILE`. */
  readonly filesFrom: string | undefined;
  /** `--rsh`: the remote shell's command. */
  readonly rsh: string | undefined;
  readonly rsyncPath: string | undefined;
  readonly remoteOptions: readonly string[];
  readonly ssh: {
    readonly identities: readonly string[];
    readonly knownHosts: readonly string[];
    readonly fingerprints: readonly string[];
    /** `--ssh-config`: a file, or `none`. */
    readonly configFile?: string;
  };
  /** In rsync's filter grammar, in their order. */
  readonly filterRules: readonly string[];
  /** How much of each kind is told. */
  readonly info: InfoLevels;
  /** `-i`, `-ii` */
  readonly itemize: number;
  readonly outFormat: string | undefined;
  readonly logFile: string | undefined;
  readonly logFileFormat: string | undefined;
  /** Where messages go: problems to standard error, or all of them. */
  readonly stderr: "errors" | "all";
  readonly operands: readonly string[];
}
