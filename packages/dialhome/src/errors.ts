import { EXIT_CODE } from "./exit-codes.ts";

/** What went wrong with a command, as a stable word. */
export type DialhomeErrorCode =
  /** The command line makes no sense. */
  | "ERR_DIALHOME_USAGE"
  /** A file that the command line names cannot be used. */
  | "ERR_DIALHOME_FILE"
  /** What was asked for is refused, for a reason that the message tells. */
  | "ERR_DIALHOME_REFUSED";

/** The error class of the command line. The message is one line, and says what to do where that is known. */
export class DialhomeError extends Error {
  readonly code: DialhomeErrorCode;
  readonly exitCode: number;

  constructor(
    code: DialhomeErrorCode,
    message: string,
    details: { readonly exitCode?: number; readonly cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "DialhomeError";
    this.code = code;
    this.exitCode =
      details.exitCode ?? (code === "ERR_DIALHOME_USAGE" ? EXIT_CODE.usage : EXIT_CODE.failed);
  }
}

/** A mistake on the command line. */
export function usageError(message: string): DialhomeError {
  return new DialhomeError("ERR_DIALHOME_USAGE", message);
}

/** The system's own words for why a file operation failed, without "EACCES:" in front. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return /^E[A-Z0-9]+: ([^,]+)/.exec(error.message)?.[1] ?? error.message;
}
