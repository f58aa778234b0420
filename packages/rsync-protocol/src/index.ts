/**
 * The rsync wire protocol: codecs, checksums and framing, for clients and senders of protocol 27 to 32.
 *
 * @packageDocumentation
 */

export type { EntryAcl, NamedPermission, WireAcl } from "./acl.ts";
export {
  AUTH_DIGEST_BYTES,
  AUTH_DIGESTS,
  type AuthCheck,
  type AuthDigest,
  authResponse,
  chooseAuthDigest,
  makeChallenge,
  verifyAuthResponse,
} from "./auth.ts";
export { BlockSearch, type SearchSink, type SearchSource } from "./block-search.ts";
export type { BlockSums } from "./block-table.ts";
export { ByteReader } from "./byte-reader.ts";
export { ByteWriter } from "./byte-writer.ts";
export {
  ACCEPTED_CHECKSUMS,
  CHECKSUM_BYTES,
  type ChecksumChoice,
  type ChecksumName,
  formatChecksumChoice,
  OFFERED_CHECKSUMS,
  parseChecksumChoice,
  parseChecksumName,
} from "./checksum.ts";
export {
  ACCEPTED_COMPRESSIONS,
  type Compression,
  type CompressionName,
  compressionAt,
  OFFERED_COMPRESSIONS,
  parseCompressionName,
} from "./compression.ts";
export {
  BASIS,
  COMPAT,
  IO_ERROR,
  ITEM,
  LIMITS,
  MODE,
  NDX,
  PROTOCOL,
  TAG,
  XMIT,
} from "./constants.ts";
export {
  CONTENT_BYTES,
  ContentKernel,
  KERNEL_BLOCKS,
  type SearchTables,
  SHORT_INPUT_BYTES,
} from "./content-kernel.ts";
export { compareEntries, type EntryOrder, entryOrderOf, type Placed } from "./entry-order.ts";
export {
  protocolError,
  RsyncError,
  type RsyncErrorCode,
  type RsyncErrorDetails,
} from "./errors.ts";
export { EXIT } from "./exit-codes.ts";
export {
  baseNameOf,
  directoryOf,
  type FileEntry,
  isDevice,
  isDirectory,
  isMissing,
  isRegularFile,
  isSpecial,
  isSymlink,
} from "./file-entry.ts";
export { assertChildren, FileList, FileLists } from "./file-list.ts";
export { type EndOfList, FileListDecoder, type IdNames, readIdList } from "./file-list-decoder.ts";
export { FileListEncoder, type IdNameLookup } from "./file-list-encoder.ts";
export { type FileListFormat, formatOfSession } from "./file-list-format.ts";
export { FilterChain, type FilterChainOptions, type FilterDecision } from "./filter-chain.ts";
export { compileGlob, type GlobFraming, type GlobMatcher } from "./filter-glob.ts";
export { readFilterRule, writeFilterList } from "./filter-list.ts";
export { FILTER_LIMITS, type FilterRule, formatFilterRule } from "./filter-rule.ts";
export { parseFilterRule, parsePatternRule } from "./filter-rule-parser.ts";
export {
  cvsExcludeRules,
  expandMergeRules,
  formatSentFilters,
  type ModuleFilterText,
  parseFilterText,
  parseModuleFilters,
  parseSentFilter,
  sentFilterParser,
} from "./filter-rules.ts";
export {
  agreeProtocol,
  type DaemonLine,
  formatDaemonLine,
  formatGreeting,
  type Greeting,
  negotiateProtocol,
  parseDaemonLine,
  parseGreeting,
} from "./greeting.ts";
export { type Item, readItem, writeItem } from "./item.ts";
export { LinkedAbort } from "./linked-abort.ts";
export { Demultiplexer, encodeFrame, type Message } from "./multiplex.ts";
export { createNdxCodec, NdxCodec } from "./ndx.ts";
export {
  chooseName,
  clientCapabilities,
  readNames,
  serverCompatFlags,
  writeNames,
} from "./negotiation.ts";
export { type ProtocolTraits, traitsOf } from "./protocol-traits.ts";
export { rollingHigh, rollingLow, signedView, weakSum } from "./rolling-sum.ts";
export { assertSafeName } from "./safe-name.ts";
export {
  escapeServerPath,
  formatServerArguments,
  hasWildcard,
  MAX_ARGUMENT_BYTES,
  MAX_ARGUMENTS,
  parseServerArguments,
  type ServerArguments,
  serverOptionLetter,
  unescapeServerPath,
} from "./server-arguments.ts";
export {
  CAPABILITY,
  noServerOptions,
  type ServerOptions,
} from "./server-options.ts";
export {
  type DeleteStatistics,
  readDeleteStatistics,
  readStatistics,
  type ServerStatistics,
  writeDeleteStatistics,
  writeStatistics,
} from "./statistics.ts";
export {
  type Checksum,
  type ChecksumOptions,
  createChecksum,
  type FileHasher,
} from "./strong-sum.ts";
export {
  assertSumHeader,
  basisLength,
  blockLengthAt,
  blockOffsetAt,
  chooseSumHeader,
  NO_SUMS,
  readSumHeader,
  type SumChoice,
  type SumHeader,
  writeSumHeader,
} from "./sum-header.ts";
export { createTokenReader, createTokenWriter } from "./token-codecs.ts";
export {
  PlainTokenReader,
  type Token,
  type TokenReader,
  type TokenWriter,
  writeBlock,
  writeEndOfTokens,
  writeLiteral,
} from "./tokens.ts";
export { isUnsafeLink } from "./unsafe-link.ts";
export { asRsyncError, Wire, type WireOptions } from "./wire.ts";
export {
  INLINE_BYTES,
  isListedValue,
  isLong,
  type ListedXattr,
  listXattr,
  readXattrRequest,
  readXattrValues,
  writeXattrRequest,
  writeXattrValues,
  type XattrSet,
  type XattrValue,
} from "./xattr.ts";
