import { OpenXattrs } from "@dialhome/posix-fs";
import type { TransferOptions } from "@dialhome/rsync-protocol-client";
import type { Offer } from "../offer.ts";

/**
 * What a snapshot keeps of its source: everything that this host may set, and the numbers of everything else in the manifest. The device has
 * a say in its file systems and its attributes.
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
    acls: keepsAttributes(offer),
    xattrs: keepsAttributes(offer),
    oneFileSystem: offer.rsync.oneFileSystem,
  };
}

/** Whether access control lists and extended attributes are kept: where the device asks for it, and this host can. */
export function keepsAttributes(offer: Offer): boolean {
  return offer.rsync.attributes && OpenXattrs.supported;
}
