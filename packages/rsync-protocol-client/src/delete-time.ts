import type { ProtocolTraits } from "@dialhome/rsync-protocol";
import type { DeleteTime, TransferOptions } from "./pull-options.ts";

/** When a pull with these options deletes; undefined for never. */
export function deleteTime(
  options: Pick<TransferOptions, "delete" | "deleteExcluded">,
): DeleteTime | undefined {
  if (typeof options.delete === "string") return options.delete;
  return options.delete || options.deleteExcluded ? "during" : undefined;
}

/** Options that say when, where it was left open: by the protocol, as in rsync(1). */
export function withDeleteTime<T extends Pick<TransferOptions, "delete" | "deleteExcluded">>(
  options: T,
  { deletesBefore }: Pick<ProtocolTraits, "deletesBefore">,
): T {
  const isOpen = typeof options.delete !== "string" && deleteTime(options) !== undefined;
  return isOpen && deletesBefore ? { ...options, delete: "before" } : options;
}
