import type { FuzzTarget } from "./target.ts";
import { compressed } from "./targets/compressed.ts";
import { fileList } from "./targets/file-list.ts";
import { muxBodies, muxPackets } from "./targets/mux.ts";
import { frames, primitives, tokens } from "./targets/primitives.ts";
import { sessions } from "./targets/sessions.ts";
import { attributeTexts, commandLine, daemonConfig } from "./targets/settings.ts";
import {
  authorizedKeys,
  daemonLines,
  filters,
  globs,
  knownHosts,
  manifest,
  offers,
  serverArguments,
} from "./targets/texts.ts";

/** Everything that takes bytes from outside. */
export const TARGETS: readonly FuzzTarget[] = [
  primitives,
  frames,
  tokens,
  ...compressed,
  fileList,
  daemonLines,
  serverArguments,
  filters,
  globs,
  authorizedKeys,
  knownHosts,
  manifest,
  offers,
  commandLine,
  attributeTexts,
  daemonConfig,
  muxPackets,
  muxBodies,
  ...sessions,
];
