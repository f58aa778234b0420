import { CompressedTokenReader, CompressedTokenWriter } from "./compressed-tokens.ts";
import type { Compression, CompressionName } from "./compression.ts";
import {
  PLAIN_TOKEN_WRITER,
  PlainTokenReader,
  type TokenReader,
  type TokenWriter,
} from "./tokens.ts";

// What a session does not need is not loaded: most do without compression.

/** The reader of a session's tokens. */
export async function createTokenReader(
  name: CompressionName,
  protocol: number,
): Promise<TokenReader> {
  switch (name) {
    case "none":
      return new PlainTokenReader();
    case "lz4": {
      const { Lz4Unpacker } = await import("./lz4-tokens.ts");
      return new CompressedTokenReader(new Lz4Unpacker());
    }
    case "zstd": {
      const { ZstdUnpacker } = await import("./zstd-tokens.ts");
      return new CompressedTokenReader(new ZstdUnpacker());
    }
    case "zlib":
    case "zlibx": {
      const { ZlibUnpacker } = await import("./zlib-tokens.ts");
      const withBlocks = name === "zlib";
      return new CompressedTokenReader(new ZlibUnpacker({ withBlocks, protocol }));
    }
    default:
      throw new Error(`no such compression: ${String(name satisfies never)}`);
  }
}

/** The writer of a session's tokens. */
export async function createTokenWriter(
  { name, level }: Compression,
  protocol: number,
): Promise<TokenWriter> {
  switch (name) {
    case "none":
      return PLAIN_TOKEN_WRITER;
    case "lz4": {
      const { Lz4Packer } = await import("./lz4-tokens.ts");
      return new CompressedTokenWriter(new Lz4Packer());
    }
    case "zstd": {
      const { ZstdPacker } = await import("./zstd-packer.ts");
      return new CompressedTokenWriter(new ZstdPacker(level));
    }
    case "zlib":
    case "zlibx": {
      const { ZlibPacker } = await import("./zlib-tokens.ts");
      const withBlocks = name === "zlib";
      return new CompressedTokenWriter(new ZlibPacker(level, { withBlocks, protocol }));
    }
    default:
      throw new Error(`no such compression: ${String(name satisfies never)}`);
  }
}
