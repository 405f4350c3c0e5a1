/** `aci trust rm` */

import { Option } from 'clipanion';
import {
  createKeyring,
  engineOptionsFrom,
  FetchError,
  type ResolvedSettings,
  type UntrustedKey,
} from '../../index.js';
import { AciCommand } from '../command.js';
import { TRUST_RM } from '../specs.js';

export class TrustRmCommand extends AciCommand {
  static override paths = [[...TRUST_RM.path]];
  fingerprint = Option.String({ name: 'FINGERPRINT' });

  constructor() {
    super(TRUST_RM);
  }

  async run({ settings }: ResolvedSettings): Promise<number> {
    const { prefix } = this.values(TRUST_RM.options);
    const place = prefix === undefined ? undefined : { prefix };
    const result = await createKeyring(engineOptionsFrom(settings)).untrustKey(this.fingerprint, place);
    for (const path of result.removed) this.inform(settings, `removed "${path}"`);
    for (const path of result.disabled) this.inform(settings, `disabled by the empty file "${path}"`);
    if (settings.json) this.printJson(result);
    if (result.remaining.length > 0) throw stillTrusted(result);
    if (!settings.json) this.print(result.fingerprint);
    return 0;
  }
}

function stillTrusted({ remaining, fingerprint }: UntrustedKey): FetchError {
  const message = `the key ${fingerprint} is still trusted by ${remaining.join(', ')}`;
  const hint =
    'aci trust rm without --prefix takes it from every place that this user writes to; remove other files';
  return new FetchError('ERR_PERMISSION', message, { stage: 'store', hint });
}
