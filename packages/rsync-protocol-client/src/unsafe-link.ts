/**
 * Whether a symbolic link leads out of the transfer, as `--safe-links` sees it: an absolute target, an empty one, one that leaves
 * the root of the transfer, or one that has `..` elsewhere than at its beginning.
 *
 * @param name - path of the link, relative to the root of the transfer
 */
export function isUnsafeLink(target: string, name: string): boolean {
  if (target === "" || target.startsWith("/")) return true;
  const rest = target.replace(/^(?:\.\.\/+)+/, "");
  if (rest.includes("/../") || (target.length > 3 && target.endsWith("/.."))) return true;
  let depth = 0;
  for (const component of name.split(/\/+/).slice(0, -1)) {
    if (component === "..") depth = 0;
    else if (component !== ".") depth++;
  }
  const components = target.split(/\/+/);
  for (const [index, component] of components.entries()) {
    if (component === "..") {
      depth--;
      if (depth < 0) return true;
    } else if (component !== "." && index < components.length - 1) depth++;
  }
  return false;
}
