/** `aci config` */

import { openCredentialSource, type ResolvedSettings, SETTING_OPTIONS } from '../../index.js';
import { AciCommand } from '../command.js';
import { tabTable } from '../format.js';
import { CONFIG } from '../specs.js';

export class ConfigCommand extends AciCommand {
  static override paths = [[...CONFIG.path]];

  constructor() {
    super(CONFIG);
  }

  async run(resolved: ResolvedSettings): Promise<number> {
    const { stdout, environment } = this.context;
    const { settings } = resolved;
    // Credentials are not shown, but what is wrong with their files is.
    const onWarning = (warning: string): void => this.inform(settings, warning);
    (await openCredentialSource({ settings, environment, onWarning })).close();
    if (resolved.settings.json) this.printJson(configRecord(resolved));
    else stdout.write(renderConfig(resolved));
    return 0;
  }
}

/** Every setting by the name of its option, with its value and where it came from. */
export function configRecord({ settings, origins, files }: ResolvedSettings): Record<string, unknown> {
  return Object.fromEntries(
    SETTING_OPTIONS.map(({ key, name }) => [
      name.slice(2),
      { value: settings[key], origin: origins[key], file: files[key] },
    ]),
  );
}

/** The same as lines: name, value, origin, and the file where there is one. */
export function renderConfig({ settings, origins, files }: ResolvedSettings): string {
  return tabTable(
    SETTING_OPTIONS.map(({ key, name }) => [
      name.slice(2),
      String(settings[key]),
      files[key] === undefined ? origins[key] : `${origins[key]} ${files[key]}`,
    ]),
  );
}
