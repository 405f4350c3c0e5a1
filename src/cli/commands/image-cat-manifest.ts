/** `aci image cat-manifest` */

import { Option } from 'clipanion';
import type { ResolvedSettings } from '../../index.js';
import { AciCommand, withEngine } from '../command.js';
import { IMAGE_CAT_MANIFEST } from '../specs.js';
import { escapedJson, jsonText } from '../text.js';

export class ImageCatManifestCommand extends AciCommand {
  static override paths = [[...IMAGE_CAT_MANIFEST.path]];
  image = Option.String({ name: 'IMAGE' });

  constructor() {
    super(IMAGE_CAT_MANIFEST);
  }

  async run({ settings }: ResolvedSettings): Promise<number> {
    const { prettyPrint } = this.values(IMAGE_CAT_MANIFEST.options);
    const manifest = await withEngine(settings, undefined, (engine) => engine.catManifest(this.image));
    const text = prettyPrint ? jsonText(JSON.parse(manifest), '\t') : escapedJson(manifest);
    this.context.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
    return 0;
  }
}
