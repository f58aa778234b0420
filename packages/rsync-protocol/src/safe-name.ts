import { RsyncError } from "./errors.ts";

/**
 * A path from the peer must lie below the root of the transfer: relative, without empty, `.` or `..` components and without
 * NUL. `.` alone is the root. Everything that touches files relies on this.
 * @throws RsyncError `ERR_RSYNC_UNSAFE_PATH`
 */
export function assertSafeName(name: string): void {
  if (name === ".") return;
  let start = 0;
  for (let i = 0; i <= name.length; i++) {
    const character = i === name.length ? SLASH : name.charCodeAt(i);
    if (character === 0) throw unsafe(name, "contains a NUL");
    if (character !== SLASH) continue;
    const length = i - start;
    if (length === 0) throw unsafe(name, name === "" ? "is empty" : "has an empty component");
    if (name.charCodeAt(start) === DOT) {
      if (length === 1) throw unsafe(name, 'has a "." component');
      if (length === 2 && name.charCodeAt(start + 1) === DOT)
        throw unsafe(name, 'has a ".." component');
    }
    start = i + 1;
  }
}

const SLASH = 0x2f;
const DOT = 0x2e;

function unsafe(name: string, why: string): RsyncError {
  return new RsyncError(
    "ERR_RSYNC_UNSAFE_PATH",
    `name from the peer ${why}: ${JSON.stringify(name)}`,
    {
      path: name,
    },
  );
}
