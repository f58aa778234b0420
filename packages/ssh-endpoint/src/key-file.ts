import { type FileHandle, open } from "node:fs/promises";

/** What is in the file of a key. */
export interface KeyFile {
  readonly text: string;
  /** Why a private key must not be used, in one line; undefined where it may. */
  readonly exposed: string | undefined;
}

/**
 * Reads the file of a key. As in ssh, a private key of this user that others can get at counts as known to them; whom a key of another
 * user is open to is that user's business (authfile.c, sshkey_perm_ok).
 *
 * @throws the system's error
 */
export async function readKeyFile(path: string): Promise<KeyFile> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, "r");
    const { mode, uid } = await file.stat();
    const text = await file.readFile("utf8");
    const isOpen = uid === process.getuid?.() && (mode & 0o077) !== 0;
    const octal = (mode & 0o777).toString(8).padStart(4, "0");
    const exposed = `${path}: mode ${octal} is too open for a private key: it is not used until it is 0600`;
    return { text, exposed: isOpen && isPrivate(text) ? exposed : undefined };
  } finally {
    await file?.close();
  }
}

function isPrivate(text: string): boolean {
  return text.includes("PRIVATE KEY-----") || text.startsWith("PuTTY-User-Key-File");
}
