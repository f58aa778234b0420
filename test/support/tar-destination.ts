import { type FileEntry, isDirectory, isSpecial, isSymlink } from "@dialhome/rsync-protocol";
import type { ContentWriter, Destination } from "@dialhome/rsync-protocol-client";
import { type Header, pack } from "tar-stream";

type TarHeader = Partial<Header> & Pick<Header, "name">;

const text = (latin1: string): string => Buffer.from(latin1, "latin1").toString();

function headerOf(entry: FileEntry): TarHeader {
  const { name, mode, uid, gid, mtime, linkTarget } = entry;
  const type = isDirectory(entry)
    ? "directory"
    : isSymlink(entry)
      ? "symlink"
      : isSpecial(entry)
        ? "fifo"
        : "file";
  const linkname = linkTarget === undefined ? {} : { linkname: text(linkTarget) };
  const whole = { name: text(name), mode: mode & 0o7777, uid, gid, mtime: new Date(mtime * 1000) };
  return { ...whole, type, ...linkname };
}

/** Writes a pull into a tar archive: only what was verified, one entry after another. */
export class TarDestination implements Destination {
  readonly #pack = pack();
  #last: Promise<void> = Promise.resolve();

  /** The archive; it is to be read while the pull runs. */
  get archive(): AsyncIterable<unknown> {
    return this.#pack;
  }

  find(): undefined {
    // A new archive has nothing.
  }

  create(entry: FileEntry): ContentWriter {
    const chunks: Uint8Array[] = [];
    return {
      write: (data) => void chunks.push(data),
      commit: () => this.#add(headerOf(entry), Buffer.concat(chunks)),
      abort: () => void chunks.splice(0),
    };
  }

  put(entry: FileEntry): Promise<void> {
    return this.#add(headerOf(entry));
  }

  link(entry: FileEntry, leader: string): Promise<void> {
    return this.#add({ ...headerOf(entry), type: "link", linkname: text(leader) });
  }

  update(): void {
    // Nothing is found, so that nothing is ever the same.
  }

  finish(): void {
    this.#pack.finalize();
  }

  abort(error: Error): void {
    this.#pack.destroy(error);
  }

  /** The two halves of a pull store side by side, and an archive has one end. */
  #add(header: TarHeader, content: Buffer = Buffer.alloc(0)): Promise<void> {
    this.#last = this.#last.then(
      () =>
        new Promise<void>((resolve, reject) => {
          this.#pack.entry({ ...header, size: content.length }, content, (error) => {
            if (error) reject(error);
            else resolve();
          });
        }),
    );
    return this.#last;
  }
}
