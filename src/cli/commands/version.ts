/** `aci version` with options; without any, main.ts answers by itself. */

import type { ResolvedSettings } from '../../index.js';
import { AciCommand } from '../command.js';
import { VERSION } from '../specs.js';
import { readVersionFacts, renderVersion } from '../version.js';

export class VersionCommand extends AciCommand {
  static override paths = [[...VERSION.path]];

  constructor() {
    super(VERSION);
  }

  async run({ settings }: ResolvedSettings): Promise<number> {
    const facts = readVersionFacts();
    if (settings.json) this.printJson(facts);
    else this.context.stdout.write(renderVersion(facts));
    return 0;
  }
}
