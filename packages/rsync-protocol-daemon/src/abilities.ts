import { OpenXattrs } from "@dialhome/posix-fs";
import {
  parseCompressionName,
  type ServerArguments,
  type ServerOptions,
} from "@dialhome/rsync-protocol";
import { compresses } from "./binary-start.ts";
import { isRefusedOption, optionLabel, refusedOption } from "./refused-options.ts";

/** Options that change what is sent, in ways that are not offered here. */
const NOT_OFFERED: readonly (readonly [keyof ServerOptions, string])[] = [
  ["crtimes", "--crtimes (-N)"],
  ["removeSourceFiles", "--remove-source-files"],
  ["copyDevices", "--copy-devices"],
];

/** The first protocol with access control lists and extended attributes. */
const XATTRS_SINCE = 30;

/**
 * Why a client's arguments are refused, as one line; undefined when they are not.
 *
 * @param refused - the options that this server was told to refuse, as patterns
 */
export function refusal(
  args: ServerArguments,
  refused: readonly string[],
  protocol: number,
): string | undefined {
  const { options } = args;
  if (!options.sender) return "this server is read only: it sends and does not receive";
  if (args.problems[0] !== undefined) return args.problems[0];
  const { compressChoice } = options;
  if (compressChoice !== undefined && parseCompressionName(compressChoice) === undefined) {
    return `unknown compress name: ${compressChoice.replace(/[^\x20-\x7e]/g, "?").slice(0, 80)}`;
  }
  // However it is asked for: a level, or a choice, asks for it as well.
  if (isRefusedOption("compress", refused) && compresses(options)) {
    return `The server is configured to refuse ${optionLabel("compress")}`;
  }
  const denied = refusedOption(args.given, refused);
  if (denied !== undefined) return `The server is configured to refuse ${optionLabel(denied)}`;
  // As rsync's own daemon has it for modules without a character set.
  if (options.iconv !== undefined) return "The server is configured to refuse --iconv";
  for (const [key, name] of NOT_OFFERED) {
    const value = options[key];
    if (value !== undefined && value !== false && value !== 0) {
      return `The server does not support ${name}`;
    }
  }
  if ((options.acls || options.xattrs > 0) && protocol < XATTRS_SINCE) {
    const name = options.acls ? "acls" : "xattrs";
    return `--${name} requires protocol ${XATTRS_SINCE} or higher (negotiated ${protocol}).`;
  }
  if (options.atimes > 0 && protocol < XATTRS_SINCE) {
    return `--atimes requires protocol ${XATTRS_SINCE} or higher (negotiated ${protocol}).`;
  }
  if ((options.acls || options.xattrs > 0) && !OpenXattrs.supported) {
    return "The server does not support --acls (-A) and --xattrs (-X): koffi is missing here";
  }
  return undefined;
}
