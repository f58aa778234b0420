import type { DeleteTime, TransferOptions } from "./pull-options.ts";

/** When a pull with these options deletes; undefined for never. */
export function deleteTime(
  options: Pick<TransferOptions, "delete" | "deleteExcluded">,
): DeleteTime | undefined {
  if (typeof options.delete === "string") return options.delete;
  return options.delete || options.deleteExcluded ? "during" : undefined;
}
