import { Duplex } from "node:stream";

/** Two streams, each of which gives what is written to the other at once, which those of `node:stream` do a turn later. */
export function duplexPair(): [Duplex, Duplex] {
  const ends: Duplex[] = [];
  const make = (other: number): Duplex =>
    new Duplex({
      allowHalfOpen: true,
      read: () => {},
      write: (chunk, _encoding, done) => {
        ends[other]?.push(chunk);
        done();
      },
      final: (done) => {
        ends[other]?.push(null);
        done();
      },
    });
  const pair: [Duplex, Duplex] = [make(1), make(0)];
  ends.push(...pair);
  return pair;
}
