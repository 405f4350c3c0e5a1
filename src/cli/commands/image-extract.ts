/** `aci image extract` */

import { resolve } from 'node:path';
import { Option } from 'clipanion';
import type { ResolvedSettings } from '../../index.js';
import { AciCommand, withEngine } from '../command.js';
import { IMAGE_EXTRACT } from '../specs.js';

export class ImageExtractCommand extends AciCommand {
  static override paths = [[...IMAGE_EXTRACT.path]];
  image = Option.String({ name: 'IMAGE' });
  directory = Option.String({ name: 'DIR' });

  constructor() {
    super(IMAGE_EXTRACT);
  }

  async run({ settings }: ResolvedSettings): Promise<number> {
    const { rootfsOnly, overwrite } = this.values(IMAGE_EXTRACT.options);
    const { signal, environment } = this.context;
    const directory = resolve(environment.workingDirectory, this.directory);
    const { id, notKept } = await withEngine(settings, undefined, (engine) =>
      engine.extractImage(this.image, { directory, rootfsOnly, overwrite }, signal),
    );
    for (const line of notKept) this.inform(settings, `warning: ${line}`);
    if (settings.json) this.printJson({ id, directory, notKept });
    return 0;
  }
}
