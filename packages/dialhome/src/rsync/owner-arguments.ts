import { latin1 } from "../argument-bytes.ts";
import { syntaxError } from "./errors.ts";

/** What `--usermap`, `--groupmap` and `--chown` say: each of the two maps can be said once, in one of the two ways. */
export class OwnerArguments {
  #user: Said | undefined;
  #group: Said | undefined;

  get userMap(): string | undefined {
    return this.#user?.map;
  }

  get groupMap(): string | undefined {
    return this.#group?.map;
  }

  setUserMap(map: string): void {
    this.#user = once(this.#user, { by: "--usermap", map: latin1(map) });
  }

  setGroupMap(map: string): void {
    this.#group = once(this.#group, { by: "--groupmap", map: latin1(map) });
  }

  /** `USER:GROUP`, either of which may be missing. */
  setChown(text: string): void {
    const colon = text.indexOf(":");
    const user = latin1(colon < 0 ? text : text.slice(0, colon));
    const group = latin1(colon < 0 ? "" : text.slice(colon + 1));
    if (user !== "") this.#user = once(this.#user, { by: "--chown", map: `*:${user}` });
    if (group !== "") this.#group = once(this.#group, { by: "--chown", map: `*:${group}` });
  }
}

interface Said {
  readonly by: "--usermap" | "--groupmap" | "--chown";
  readonly map: string;
}

function once(before: Said | undefined, now: Said): Said {
  if (!before) return now;
  if (before.by !== now.by) throw syntaxError(`${now.by} conflicts with prior ${before.by}`);
  throw syntaxError(`you can only specify ${now.by} once`);
}
