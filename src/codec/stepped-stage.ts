/** Codecs that work on this thread: a loop in small steps, between which it asks for input or gives others a turn. */

import { setImmediate } from 'node:timers/promises';
import { compressionError, type Stage } from './stage.js';

/** What the loop reads next; it takes what it used off the front. */
export interface Source {
  bytes: Uint8Array;
  /** Nothing comes after `bytes`. */
  isEnded: boolean;
}

/**
 * `input` when the source is empty and has not ended, `turn` after some milliseconds of work. The memory of the
 * source's bytes is somebody else's after `input`.
 */
export type Steps = Generator<'input' | 'turn', void, void>;

const NOTHING = new Uint8Array(0);

/** The loop has to return when the source has ended, and not before. */
export function steppedStage(codec: string, start: (source: Source) => Steps): Stage {
  const source: Source = { bytes: NOTHING, isEnded: false };
  const steps = start(source);
  let failure: unknown;

  async function run(): Promise<void> {
    if (failure !== undefined) throw failure;
    try {
      for (let step = steps.next(); !step.done && step.value === 'turn'; step = steps.next())
        await setImmediate();
    } catch (error) {
      failure = compressionError(codec, error);
      throw failure;
    }
  }

  return {
    write(chunk) {
      source.bytes = chunk;
      return run();
    },
    end() {
      source.isEnded = true;
      return run();
    },
    destroy: () => void steps.return(),
  };
}
