import type { Job } from "./hard-link-groups.ts";

/** Files that came whole and wait for the end of the transfer in their partial directories (`--delay-updates`), in their order. */
export class DelayedUpdates {
  readonly #jobs = new Map<string, Job>();

  add(job: Job): void {
    this.#jobs.set(job.entry.name, job);
  }

  has(name: string): boolean {
    return this.#jobs.has(name);
  }

  /** All of them, once. */
  take(): readonly Job[] {
    const jobs = [...this.#jobs.values()];
    this.#jobs.clear();
    return jobs;
  }
}
