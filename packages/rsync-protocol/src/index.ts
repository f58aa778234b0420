/**
 * The rsync wire protocol: codecs, checksums and framing, for clients and senders of protocol 30 to 32.
 *
 * @packageDocumentation
 */
export { ByteReader } from "./byte-reader.ts";
export { ByteWriter } from "./byte-writer.ts";
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
  isRegularFile,
  isSpecial,
  isSymlink,
} from "./file-entry.ts";
export { assertChildren, FileList, FileLists, sortKey } from "./file-list.ts";
export { type EndOfList, FileListDecoder, type IdNames, readIdList } from "./file-list-decoder.ts";
export { FileListEncoder, type IdNameLookup } from "./file-list-encoder.ts";
export { type FileListFormat, formatOfSession } from "./file-list-format.ts";
export { readFilterRule, writeFilterList } from "./filter-list.ts";
export { type Item, readItem, writeItem } from "./item.ts";
export { Demultiplexer, encodeFrame, type Message } from "./multiplex.ts";
export { NdxCodec } from "./ndx.ts";
export {
  chooseName,
  clientCapabilities,
  readNames,
  serverCompatFlags,
  writeNames,
} from "./negotiation.ts";
export { assertSafeName } from "./safe-name.ts";
export {
  type DeleteStatistics,
  readDeleteStatistics,
  readStatistics,
  type ServerStatistics,
  writeDeleteStatistics,
  writeStatistics,
} from "./statistics.ts";
export {
  PlainTokenReader,
  type Token,
  writeBlock,
  writeEndOfTokens,
  writeLiteral,
} from "./tokens.ts";
export { asRsyncError, Wire, type WireOptions } from "./wire.ts";
