import { MuxError } from "../../src/mux-error.ts";
import type { AllocationRequest, PortHolder, Registration, Registry } from "../../src/registry.ts";

/** A registry for the time of a test. */
export class MemoryRegistry implements Registry {
  readonly requests: AllocationRequest[] = [];
  readonly #ports = new Map<string, number[]>();
  /** What comes before each answer. */
  before: () => Promise<void> = async () => undefined;

  async allocate(request: AllocationRequest): Promise<readonly number[]> {
    this.requests.push(request);
    await this.before();
    const { identity, forwardings, range } = request;
    const ports = this.#ports.get(identity) ?? [];
    const taken = new Set([...this.#ports.values()].flat());
    for (let port = range.from; ports.length < forwardings; port++) {
      if (port > range.to) throw new MuxError("ERR_MUX_RANGE_EXHAUSTED", "no port is free");
      if (!taken.has(port)) ports.push(port);
    }
    this.#ports.set(identity, ports);
    return ports.slice(0, forwardings);
  }

  async release(identity: string): Promise<boolean> {
    return this.#ports.delete(identity);
  }

  async reserve(): Promise<void> {
    throw new Error("not here");
  }

  async holderOf(port: number): Promise<PortHolder | undefined> {
    const [identity] = [...this.#ports].find(([, ports]) => ports.includes(port)) ?? [];
    return identity === undefined ? undefined : { identity };
  }

  async bindKey(): Promise<PortHolder | undefined> {
    throw new Error("not here");
  }

  async noteHook(): Promise<void> {
    throw new Error("not here");
  }

  async list(): Promise<readonly Registration[]> {
    return [...this.#ports].flatMap(([identity, ports]) =>
      ports.map((port, forwarding) => ({ identity, forwarding, port, isReserved: false })),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ports.clear();
  }
}
