/** `aci image export` */

import { resolve } from 'node:path';
import { Option } from 'clipanion';
import type { ExportTarget, ResolvedSettings } from '../../index.js';
import { AciCommand, withEngine } from '../command.js';
import { isTerminal } from '../context.js';
import { usageError } from '../render-error.js';
import { IMAGE_EXPORT } from '../specs.js';

export class ImageExportCommand extends AciCommand {
  static override paths = [[...IMAGE_EXPORT.path]];
  image = Option.String({ name: 'IMAGE' });
  file = Option.String({ name: 'FILE' });

  constructor() {
    super(IMAGE_EXPORT);
  }

  async run({ settings }: ResolvedSettings): Promise<number> {
    const { overwrite } = this.values(IMAGE_EXPORT.options);
    const { stdout, signal, environment } = this.context;
    const toStdout = this.file === '-';
    if (toStdout && isTerminal(stdout)) {
      throw usageError('an ACI is not written to a terminal', 'send stdout to a file or a pipe');
    }
    const path = resolve(environment.workingDirectory, this.file);
    const target: ExportTarget = toStdout ? { stream: stdout } : { path, overwrite };
    const id = await withEngine(settings, undefined, (engine) =>
      engine.exportImage(this.image, target, signal),
    );
    if (settings.json && !toStdout) this.printJson({ id, file: path });
    return 0;
  }
}
