import type { ChecksumName } from "@dialhome/rsync-protocol";
import type { Flag } from "./option-table.ts";

/** Everything that the options of a command line say. */
export interface RsyncSettings {
  readonly flags: ReadonlySet<Flag>;
  readonly verbose: number;
  readonly human: number;
  /** Bytes. */
  readonly blockSize: number | undefined;
  readonly checksumChoice: ChecksumName | undefined;
  readonly modifyWindow: number | undefined;
  /** 0 is for ever. */
  readonly timeoutSeconds: number;
  /** 0 is for ever. */
  readonly contimeoutSeconds: number;
  readonly passwordFile: string | undefined;
  readonly port: number | undefined;
  readonly address: string | undefined;
  readonly protocol: number | undefined;
  readonly maxDelete: number | undefined;
  /** KiB per second; 0 is no limit. */
  readonly bwlimit: number | undefined;
  /** Bytes. */
  readonly maxSize: number | undefined;
  readonly minSize: number | undefined;
  /** ms since 1970. */
  readonly stopAtMs: number | undefined;
  readonly linkDest: readonly string[];
  /** In rsync's filter grammar, in their order. */
  readonly filterRules: readonly string[];
  /** A line with how far the whole transfer is. */
  readonly totalProgress: boolean;
  /** Level of names; undefined follows `-v`. */
  readonly nameLevel: number | undefined;
  readonly operands: readonly string[];
}
