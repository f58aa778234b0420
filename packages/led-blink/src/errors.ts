/** What went wrong, as a stable word. */
export type LedBlinkErrorCode =
  /** The number, or what says which bits of it, makes no sense. */
  | "ERR_LED_BLINK_NUMBER"
  /** The configuration makes no sense. */
  | "ERR_LED_BLINK_CONFIGURATION"
  /** There is no such LED, or it may not be written. */
  | "ERR_LED_BLINK_LED"
  /** The kernel does not offer the trigger. */
  | "ERR_LED_BLINK_TRIGGER";

/** The error class of this package. The message is one line. */
export class LedBlinkError extends Error {
  readonly code: LedBlinkErrorCode;

  constructor(code: LedBlinkErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "LedBlinkError";
    this.code = code;
  }
}
