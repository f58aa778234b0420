import type { IdNames } from "@dialhome/rsync-protocol";
import { AccessLists } from "./access-lists.ts";
import { Attributes } from "./attributes.ts";
import type { Comparison } from "./comparison.ts";
import { ExtendedMetadata } from "./extended-metadata.ts";
import { LocalIds } from "./local-ids.ts";
import type { Privilege } from "./privilege.ts";
import type { TransferOptions } from "./pull-options.ts";
import type { Tally } from "./tally.ts";
import type { XattrValues } from "./xattr-values.ts";

/** What the options ask for, put together. */
export function makeAttributes(
  options: TransferOptions,
  privilege: Privilege,
  names: IdNames,
  xattrs: XattrValues | undefined,
  tally: Tally,
  comparison: Comparison,
): Attributes {
  const ids = new LocalIds(options, names, privilege, (text) => {
    tally.message({ level: "error", text, fromPeer: false });
  });
  const lists = options.acls ? new AccessLists(ids, privilege === "fake") : undefined;
  const extended = lists || xattrs ? new ExtendedMetadata(lists, xattrs, tally) : undefined;
  return new Attributes({ options, comparison, privilege, ids, extended, tally });
}
