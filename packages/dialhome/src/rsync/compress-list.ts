import { type CompressionName, parseCompressionName } from "@dialhome/rsync-protocol";
import { unsupportedError } from "./errors.ts";

/**
 * What `RSYNC_COMPRESS_LIST` offers, best first: rsync(1), `--compress`. The client's part stands before a `&`; unknown names do
 * not count, but something must remain.
 *
 * @returns undefined when it says nothing
 */
export function parseCompressList(list: string | undefined): CompressionName[] | undefined {
  const [ours = ""] = (list ?? "").split("&");
  const names = ours.split(/\s+/).filter((name) => name !== "");
  if (names.length === 0) return undefined;
  const known = names.flatMap((name) => parseCompressionName(name) ?? []);
  if (known.length === 0) {
    throw unsupportedError(`RSYNC_COMPRESS_LIST: no compression is known of "${ours.trim()}"`);
  }
  return known;
}
