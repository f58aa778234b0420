import { type Negotiated, negotiate } from "@dialhome/mux-protocol";

/** Whom a fleet asks. */
export interface FleetOptions {
  readonly host: string;
  readonly port: number;
  readonly secret: string;
  /** How many devices there are. */
  readonly count: number;
}

/** What came of a fleet's questions. */
export interface FleetResult {
  /** By device; null where nothing came. */
  readonly ports: readonly (number | null)[];
  /** How the devices look from the server. */
  readonly addresses: readonly string[];
  /** The longest that a device with an answer waited for it, ms. */
  readonly slowestMs: number;
}

/** Devices from one image that boot at the same moment: each asks once, as `negotiate()` does unless told otherwise. */
export async function askAsFleet({ count, ...server }: FleetOptions): Promise<FleetResult> {
  const started = performance.now();
  let slowestMs = 0;
  const answers = await Promise.all(
    Array.from({ length: count }, async (_, n): Promise<Negotiated | undefined> => {
      try {
        const answer = await negotiate({ ...server, identity: `device ${n}` });
        slowestMs = Math.max(slowestMs, performance.now() - started);
        return answer;
      } catch {
        return undefined;
      }
    }),
  );
  return {
    ports: answers.map((answer) => answer?.ports[0] ?? null),
    addresses: [...new Set(answers.flatMap((answer) => answer?.address?.host ?? []))],
    slowestMs,
  };
}
