import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { XMIT } from "./constants.ts";

/** A device's numbers, and what the next entry's "same as before" refers to. */
export interface DeviceNumber {
  readonly major: number;
  readonly minor: number;
  readonly previous: number;
}

/**
 * The device numbers of file list entries; chosen once a session by {@link deviceNumbersOf}. `previous` is what both sides remember
 * from entry to entry, 0 at first: the major number, or below protocol 28 both in one.
 */
export interface DeviceNumbers {
  /** Named pipes and sockets have the field as well. */
  readonly onSpecials: boolean;
  /** An entry without the field makes both sides forget. */
  readonly forgets: boolean;
  /** Flags of an entry with these numbers. */
  readonly flags: (previous: number, major: number, minor: number) => number;
  /** @returns the next `previous` */
  readonly write: (writer: ByteWriter, flags: number, major: number, minor: number) => number;
  readonly read: (reader: ByteReader, flags: number, previous: number) => DeviceNumber;
}

const LARGEST = 0x7fff_ffff;

/** Protocol 30 and later; named pipes and sockets lost the field with 31. */
const compact = (onSpecials: boolean): DeviceNumbers => ({
  onSpecials,
  forgets: false,
  flags: (previous, major) => (major === previous ? XMIT.SAME_RDEV_MAJOR : 0),
  write: (writer, flags, major, minor) => {
    if (!(flags & XMIT.SAME_RDEV_MAJOR)) writer.varint(major);
    writer.varint(minor);
    return major;
  },
  read: (reader, flags, previous) => {
    const major = flags & XMIT.SAME_RDEV_MAJOR ? previous : reader.count("device number", LARGEST);
    return { major, minor: reader.count("device number", LARGEST), previous: major };
  },
});

/** Protocol 28 and 29: a small minor number in a byte. */
const PLAIN: DeviceNumbers = {
  onSpecials: true,
  forgets: false,
  flags: (previous, major, minor) =>
    (major === previous ? XMIT.SAME_RDEV_MAJOR : 0) | (minor <= 0xff ? XMIT.RDEV_MINOR_8 : 0),
  write: (writer, flags, major, minor) => {
    if (!(flags & XMIT.SAME_RDEV_MAJOR)) writer.int(major);
    if (flags & XMIT.RDEV_MINOR_8) writer.byte(minor);
    else writer.int(minor);
    return major;
  },
  read: (reader, flags, previous) => {
    const major =
      flags & XMIT.SAME_RDEV_MAJOR ? previous : reader.intCount("device number", LARGEST);
    const minor =
      flags & XMIT.RDEV_MINOR_8 ? reader.byte() : reader.intCount("device number", LARGEST);
    return { major, minor, previous: major };
  },
};

/** Protocol 27: both in the one number that Linux has for them; of the major number 12 bits are left. */
const PACKED: DeviceNumbers = {
  onSpecials: true,
  forgets: true,
  flags: (previous, major, minor) => (pack(major, minor) === previous ? XMIT.SAME_RDEV : 0),
  write: (writer, flags, major, minor) => {
    if (!(flags & XMIT.SAME_RDEV)) writer.int(pack(major, minor));
    return pack(major, minor);
  },
  read: (reader, flags, previous) => {
    const packed = flags & XMIT.SAME_RDEV ? previous : reader.int();
    return {
      major: (packed >>> 8) & 0xfff,
      minor: (packed & 0xff) | ((packed >>> 20) << 8),
      previous: packed,
    };
  },
};

function pack(major: number, minor: number): number {
  return (minor & 0xff) | ((major & 0xfff) << 8) | ((minor >>> 8) << 20);
}

/** The form of device numbers in a protocol. */
export function deviceNumbersOf(protocol: number): DeviceNumbers {
  if (protocol >= 30) return compact(protocol < 31);
  return protocol >= 28 ? PLAIN : PACKED;
}
