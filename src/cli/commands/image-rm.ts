/** `aci image rm` */

import { Option } from 'clipanion';
import {
  type Engine,
  type ImageId,
  isFetchError,
  type ResolvedSettings,
  type Settings,
} from '../../index.js';
import { AciCommand, withEngine } from '../command.js';
import { exitCodeOfAll } from '../outcome.js';
import { abortedError, exitCodeOf, renderError, usageError } from '../render-error.js';
import { IMAGE_RM } from '../specs.js';
import { printable, redact } from '../text.js';

interface Removal {
  readonly image: string;
  readonly id?: ImageId | undefined;
  readonly error?: unknown;
}

export class ImageRmCommand extends AciCommand {
  static override paths = [[...IMAGE_RM.path]];
  images = Option.Rest({ name: 'IMAGE' });

  constructor() {
    super(IMAGE_RM);
  }

  async run({ settings }: ResolvedSettings): Promise<number> {
    if (this.images.length === 0) throw usageError('image rm needs an image', 'try: aci help image rm');
    const removals = await withEngine(settings, undefined, (engine) => this.#removeAll(engine, settings));
    if (settings.json) this.printJson(removals.map(removalRecord));
    return exitCodeOfAll(removals.map(({ id, error }) => (id === undefined ? exitCodeOf(error) : 0)));
  }

  async #removeAll(engine: Engine, settings: Settings): Promise<Removal[]> {
    const { signal } = this.context;
    const removals: Removal[] = [];
    for (const image of this.images) {
      if (signal.aborted) throw abortedError(signal.reason);
      const removal = await remove(engine, image);
      if (removal.id !== undefined) {
        if (!settings.json) this.print(removal.id);
        this.inform(settings, `successfully removed aci for image: "${removal.id}"`);
      } else {
        this.context.stderr.write(`${renderError(removal.error, { debug: settings.debug, image })}\n`);
      }
      removals.push(removal);
    }
    return removals;
  }
}

async function remove(engine: Engine, image: string): Promise<Removal> {
  try {
    return { image, id: await engine.removeImage(image) };
  } catch (error) {
    return { image, error };
  }
}

function removalRecord({ image, id, error }: Removal): Readonly<Record<string, unknown>> {
  if (id !== undefined) return { image: redact(image), id, status: 'removed' };
  const code = isFetchError(error) ? error.code : 'ERR_INTERNAL';
  const message = printable(error instanceof Error ? error.message : String(error));
  return { image: redact(image), id: null, status: 'failed', error: { code, message } };
}
