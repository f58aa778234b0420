import { ByteReader, Demultiplexer, type Message } from "../../src/index.ts";

/** One direction of the connection: raw bytes first, frames after `multiplex()`. */
export class Direction {
  reader = new ByteReader();
  #demultiplexer: Demultiplexer | undefined;

  push(chunk: Buffer): void {
    if (this.#demultiplexer) this.#demultiplexer.push(chunk);
    else this.reader.push(chunk);
  }

  multiplex(onMessage: (message: Message) => void): void {
    const raw = this.reader.takeAll();
    this.reader = new ByteReader();
    this.#demultiplexer = new Demultiplexer((piece) => this.reader.push(piece), onMessage);
    for (const piece of raw) this.#demultiplexer.push(piece);
  }
}
