/**
 * Whether a symbolic link leads, or may lead, out of the tree that is transferred, by its text alone: rsync(1),
 * SYMBOLIC LINKS. An absolute target does, so does one that climbs above the transfer's root, and one with `..` behind a
 * name, since what that name is cannot be known.
 *
 * @param target - the link's text
 * @param name - the link's path below the transfer's root
 */
export function isUnsafeLink(target: string, name: string): boolean {
  if (target === "" || target.startsWith("/")) return true;
  const rest = target.replace(/^(?:\.\.\/+)+/, "");
  if (rest.includes("/../") || (target.length > 3 && target.endsWith("/.."))) return true;
  let depth = name.split("/").filter((part) => part !== "" && part !== ".").length - 1;
  for (const part of target.split("/")) {
    if (part === "..") depth--;
    else if (part !== "" && part !== ".") depth++;
    if (depth < 0) return true;
  }
  return false;
}
