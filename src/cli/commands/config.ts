/** `aci config` */

import { GLOBAL_OPTIONS, type ResolvedSettings } from '../../index.js';
import { AciCommand } from '../command.js';
import { tabTable } from '../format.js';
import { CONFIG } from '../specs.js';

export class ConfigCommand extends AciCommand {
  static override paths = [[...CONFIG.path]];

  constructor() {
    super(CONFIG);
  }

  async run(resolved: ResolvedSettings): Promise<number> {
    const { stdout } = this.context;
    if (resolved.settings.json) stdout.write(`${JSON.stringify(configRecord(resolved))}\n`);
    else stdout.write(renderConfig(resolved));
    return 0;
  }
}

/** Every setting by the name of its option, with its value and where it came from. */
export function configRecord({ settings, origins }: ResolvedSettings): Record<string, unknown> {
  return Object.fromEntries(
    GLOBAL_OPTIONS.map(({ key, name }) => [name.slice(2), { value: settings[key], origin: origins[key] }]),
  );
}

/** The same as lines: name, value, origin. */
export function renderConfig({ settings, origins }: ResolvedSettings): string {
  return tabTable(
    GLOBAL_OPTIONS.map(({ key, name }) => [name.slice(2), String(settings[key]), origins[key]]),
  );
}
