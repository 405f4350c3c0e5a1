/** zstd: any number of frames, each checked in its outer form before an engine gets to see it. */

import { compressionError, type Stage } from './stage.js';
import { createZstdFrames, type ZstdPiece } from './zstd-frames.js';

/** What inflates; it is given whole frames, one after another, in pieces of a megabyte of output at most. */
export interface ZstdEngine extends Pick<Stage, 'end' | 'destroy'> {
  /** @throws FetchError ERR_COMPRESSION, also when a frame has ended whose content has another checksum */
  write(piece: ZstdPiece): Promise<void>;
}

export function zstdStage(engine: ZstdEngine): Stage {
  const frames = createZstdFrames();
  let hasFrames = false;
  let isDestroyed = false;

  function* piecesOf(chunk: Buffer): Generator<ZstdPiece, void, void> {
    try {
      yield* frames.read(chunk);
    } catch (error) {
      throw compressionError('zstd', error);
    }
  }

  return {
    async write(chunk) {
      for (const piece of piecesOf(chunk)) {
        hasFrames = true;
        await engine.write(piece);
        if (isDestroyed) return;
      }
    },
    async end() {
      try {
        frames.end();
      } catch (error) {
        throw compressionError('zstd', error);
      }
      // To node:zlib nothing at all is an early end.
      if (hasFrames) await engine.end();
    },
    destroy() {
      isDestroyed = true;
      engine.destroy();
    },
  };
}
