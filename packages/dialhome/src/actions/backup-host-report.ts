import type { BackupHostEvent } from "@dialhome/reverse-backup";
import { codeOf, describeFailure } from "../failure.ts";
import { formatAddress } from "../host-address.ts";
import type { CommandIo } from "../io.ts";
import { type DescribedEvent, describeEvent } from "../serve/describe-event.ts";
import { writeJsonLine } from "../terminal/json-lines.ts";
import { printable, printableBytes } from "../terminal/printable.ts";
import { openPullBars } from "../terminal/pull-bars.ts";
import { formatBytes, formatFiles } from "../terminal/sizes.ts";

/** What a backup host is when it begins to serve. */
export interface HostStart {
  readonly address: string;
  readonly port: number;
  readonly store: string;
  readonly fingerprints: readonly string[];
  /** Key files that were made just now. */
  readonly newKeys: readonly string[];
}

/** Tells what a backup host does: as lines and bars for people, or as JSON lines. */
export interface HostReport extends AsyncDisposable {
  readonly onEvent: (event: BackupHostEvent) => void;
  listening(start: HostStart): void;
}

interface ReportFlags {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

export function openHostReport(flags: ReportFlags, io: CommandIo): HostReport {
  return flags.json ? jsonReport(flags, io) : textReport(flags, io);
}

function jsonReport(flags: ReportFlags, io: CommandIo): HostReport {
  const write = (event: string, facts: Readonly<Record<string, unknown>>): void => {
    writeJsonLine(io.stdout, { event, time: new Date().toISOString(), ...facts });
  };
  return {
    listening: (start) => write("listening", { ...start }),
    onEvent: (event) => {
      if (event.is === "ssh") {
        const told = describeSsh(event.event, flags);
        if (told !== undefined) write("ssh", { level: told.level, message: told.text });
        return;
      }
      const { address, fingerprint, keyId, name } = event.device;
      const device = { name, address, fingerprint, keyId };
      switch (event.is) {
        case "step": {
          const { is, ...facts } = event.step;
          write(is, { ...device, ...facts });
          break;
        }
        case "progress":
          write("progress", { ...device, ...event.progress });
          break;
        case "message":
          write("message", {
            ...device,
            level: event.message.level,
            message: printableBytes(event.message.text),
          });
          break;
        case "published":
          write("published", { ...device, ...publishedFacts(event.backup) });
          break;
        case "failed":
          write("failed", {
            ...device,
            code: codeOf(event.error),
            message: describeFailure(event.error),
          });
          break;
        default:
          throw new Error(`no such event: ${String(event satisfies never)}`);
      }
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** What was published, flat and in plain numbers. */
function publishedFacts({
  snapshot,
  summary,
}: Extract<BackupHostEvent, { is: "published" }>["backup"]): Readonly<Record<string, unknown>> {
  return {
    snapshot: snapshot.id,
    path: snapshot.dataPath,
    exitCode: summary.exitCode,
    ...snapshot.totals,
    transferredFiles: summary.transferredFiles,
    literalBytes: summary.literalBytes,
    matchedBytes: summary.matchedBytes,
    bytesSent: summary.bytesSent,
    bytesReceived: summary.bytesReceived,
    problems: summary.problems.map(printableBytes),
  };
}

function textReport(flags: ReportFlags, io: CommandIo): HostReport {
  const bars = openPullBars(flags.quiet ? undefined : io.stderr);
  const say = (line: string): void => bars.line(io.stdout, line);
  const complain = (line: string): void => bars.line(io.stderr, `dialhome: ${line}`);
  return {
    listening: ({ address, port, store, fingerprints, newKeys }) => {
      for (const path of newKeys) say(`made a new host key: ${path}`);
      say(`backups go to ${store}`);
      for (const fingerprint of fingerprints) say(`host key ${fingerprint}`);
      say(`listening on ${formatAddress(address, port)}`);
    },
    onEvent: (event) => {
      if (event.is === "ssh") {
        const told = describeSsh(event.event, flags);
        if (told !== undefined) (told.level === "warning" ? complain : say)(told.text);
        return;
      }
      const who = event.device.name ?? `${event.device.address} (${event.device.fingerprint})`;
      switch (event.is) {
        case "step":
          if (event.step.is === "transfer") {
            bars.begin(event.device, who);
            const { previous } = event.step;
            const since = previous === undefined ? "its first backup" : `changes since ${previous}`;
            if (!flags.quiet && !bars.isShown) say(`${printable(who)}: ${since}`);
          }
          break;
        case "progress":
          bars.progress(event.device, event.progress);
          break;
        case "message":
          if (event.message.level !== "info") {
            complain(`${printable(who)}: ${printableBytes(event.message.text)}`);
          }
          break;
        case "published":
          bars.end(event.device);
          if (!flags.quiet) say(`${printable(who)}: ${describePublished(event.backup)}`);
          break;
        case "failed":
          bars.end(event.device);
          complain(`${printable(who)}: ${describeFailure(event.error)}`);
          break;
        default:
          throw new Error(`no such event: ${String(event satisfies never)}`);
      }
    },
    [Symbol.asyncDispose]: async () => bars[Symbol.dispose](),
  };
}

function describePublished({
  snapshot,
  summary,
}: Extract<BackupHostEvent, { is: "published" }>["backup"]): string {
  const { files, bytes } = snapshot.totals;
  const partly = summary.exitCode === 0 ? "" : ", but some files are missing";
  return (
    `snapshot ${snapshot.id}${partly}: ${formatFiles(files)}, ${formatBytes(bytes)}; ` +
    `${formatFiles(summary.transferredFiles)} changed, ${formatBytes(summary.bytesReceived)} received`
  );
}

type SshEvent = Extract<BackupHostEvent, { is: "ssh" }>["event"];

/** What happened on the SSH server beneath: warnings always, the rest with `--verbose`. */
function describeSsh(event: SshEvent, flags: ReportFlags): DescribedEvent | undefined {
  const told = describeEvent(event);
  return told.level === "warning" || flags.verbose === true ? told : undefined;
}
