/** `aci image list` */

import type { EventSink, ResolvedSettings } from '../../index.js';
import { AciCommand, withEngine } from '../command.js';
import { imageRecord, renderImageTable, sortImages } from '../image-list.js';
import { IMAGE_LIST, IMAGE_LIST_FIELDS } from '../specs.js';

export class ImageListCommand extends AciCommand {
  static override paths = [[...IMAGE_LIST.path]];

  constructor() {
    super(IMAGE_LIST);
  }

  async run({ settings }: ResolvedSettings): Promise<number> {
    const values = this.values(IMAGE_LIST.options);
    const known = (names: readonly string[]) =>
      names.flatMap((name) => IMAGE_LIST_FIELDS.filter((field) => field === name));
    const options = {
      fields: values.fields.length === 0 ? IMAGE_LIST_FIELDS : known(values.fields),
      sort: values.sort.length === 0 ? (['importtime'] as const) : known(values.sort),
      order: values.order,
      full: values.full,
      legend: !values.noLegend,
    };
    const onEvent: EventSink = (event) => {
      if (event.event === 'image.warning') this.context.stderr.write(`aci: warning: ${event.message}\n`);
    };
    const images = await withEngine(settings, onEvent, (engine) => engine.listImages());
    if (settings.json) this.printJson(sortImages(images, options).map(imageRecord));
    else this.context.stdout.write(renderImageTable(images, options, new Date()));
    return 0;
  }
}
