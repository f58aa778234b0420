import type { TransferOptions } from "@dialhome/rsync-protocol-client";
import type { Offer } from "../offer.ts";

/**
 * What a snapshot keeps of its source: everything that this host may set, and the numbers of everything else in the manifest. The device has
 * a say in one thing only, which can but leave something out.
 */
export function whatToKeep(offer: Offer): TransferOptions {
  return {
    recursive: true,
    links: true,
    hardLinks: true,
    perms: true,
    times: true,
    owner: true,
    group: true,
    devices: true,
    specials: true,
    sparse: true,
    numericIds: true,
    oneFileSystem: offer.rsync.oneFileSystem,
  };
}
