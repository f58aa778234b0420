import type { Command } from "commander";

/** As in sshd_config. */
const SSHD = { startups: "10:30:100", startupsPerSource: 10 } as const;

/** Declares the options of {@link AdmissionFlags}, as a group of their own in the help; a server may have defaults of its own. */
export function declareAdmission(
  command: Command,
  {
    startups,
    startupsPerSource,
  }: { readonly startups: string; readonly startupsPerSource: number } = SSHD,
): Command {
  return command
    .optionsGroup("Who is kept away, or given up:")
    .option("--login-grace <seconds>", "time to log in (default: 30)")
    .option("--max-auth-tries <count>", "failed tries on a connection (default: 6)")
    .option(
      "--max-startups <start:rate:full>",
      `connections without login: from start on rate percent of the new ones are dropped, from full on all (default: ${startups})`,
    )
    .option(
      "--max-startups-per-source <count>",
      `the same for one address (default: ${startupsPerSource})`,
    )
    .option("--max-connections <count>", "in all (default: 8192)")
    .option("--max-connections-per-source <count>", "from one address (default: 256)")
    .option("--penalty-exempt <list>", "addresses that get no penalties: 10.0.0.0/8,192.0.2.7")
    .option("--no-penalties", "do not keep sources away that fail to log in again and again")
    .option(
      "--keepalive <seconds[:count]>",
      "a device that is silent is asked, and given up after count times (default: 15:3)",
    );
}
