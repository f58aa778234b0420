import { MODE } from "./constants.ts";
import { compareEntries } from "./entry-order.ts";

/** The names of the directories that entries of one list lie in, or are: each is kept once, and known by a number. */
export class DirectoryNames {
  readonly #numbers = new Map<string, number>();
  readonly #names: string[] = [];
  #last = "";
  #lastNumber = -1;

  get size(): number {
    return this.#names.length;
  }

  /** The number of a directory; a new one where it was not met before. */
  numberOf(directory: string): number {
    const known = this.#numbers.get(directory);
    if (known !== undefined) return known;
    const number = this.#names.length;
    this.#names.push(directory);
    this.#numbers.set(directory, number);
    return number;
  }

  /** The number of the directory in which `name` lies; `slash` is the place of the last slash in it, or −1. */
  numberAround(name: string, slash: number): number {
    // What lies in one directory comes in a row.
    if (slash >= 0 && slash === this.#last.length && name.startsWith(this.#last)) {
      return this.#lastNumber;
    }
    const directory = slash < 0 ? "." : name.slice(0, slash);
    const number = this.numberOf(directory);
    // Of "." the length says nothing.
    this.#last = slash < 0 ? "" : directory;
    this.#lastNumber = number;
    return number;
  }

  nameOf(number: number): string {
    return this.#names[number] ?? ".";
  }

  find(directory: string): number | undefined {
    return this.#numbers.get(directory);
  }

  /** The place of each in the order of lists, by its number. */
  ranks(): Uint32Array {
    const placed = this.#names.map((name) => ({ name, mode: MODE.DIRECTORY }));
    const numbers = Uint32Array.from(placed, (_, number) => number);
    numbers.sort((a, b) => compareEntries(placed[a]!, placed[b]!));
    const ranks = new Uint32Array(numbers.length);
    for (let rank = 0; rank < numbers.length; rank++) ranks[numbers[rank]!] = rank;
    return ranks;
  }
}
