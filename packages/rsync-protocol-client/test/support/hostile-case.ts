import type { ScriptedSender, SessionOptions } from "./scripted-sender.ts";

/** One thing that a sender may do wrong, and how a pull refuses it. */
export interface HostileCase extends SessionOptions {
  readonly title: string;
  readonly script: (sender: ScriptedSender) => Promise<void> | void;
  readonly code: string;
  readonly exitCode: number;
  readonly message: RegExp;
  /** What rsync(1) leaves with, where it is something else: 12 where it takes what we refuse, and only misses the rest. */
  readonly real?: number;
  /** The first protocol in which it can be said, or is refused so. @defaultValue 27 */
  readonly since?: number;
}

/** What most of them are refused with. */
export const VIOLATION: Pick<HostileCase, "code" | "exitCode"> = {
  code: "ERR_RSYNC_PROTOCOL",
  exitCode: 2,
};

/** Whether a case means anything in a protocol, and there the same. */
export function isOf(protocol: number, { since = 27, incRecurse }: HostileCase): boolean {
  return protocol >= (incRecurse ? 30 : since);
}
