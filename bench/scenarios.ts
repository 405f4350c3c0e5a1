/** Every scenario by its name. */

import { hasTool } from '../test/support/tools.js';
import { benchAciGzip, benchAciHttps, benchSlowLink } from './aci.js';
import { benchBulk } from './bulk.js';
import { benchCodecs, formatCodecs } from './codecs.js';
import { benchAssemble, benchIndex } from './convert.js';
import { benchDockerCachedLayers, benchDockerCold } from './docker.js';
import { benchHash, formatHash } from './hash.js';
import type { Report } from './report.js';
import type { ScenarioOptions } from './scenario.js';
import { benchSigned } from './signed.js';
import { formatReport } from './table.js';

export interface Result {
  /** For JSON. */
  readonly data: object;
  readonly text: string;
}

export interface Scenario {
  /** Without one of them there is nothing to measure; a smoke run needs only the second list. */
  readonly tools: readonly string[];
  readonly smokeTools?: readonly string[];
  run(options: ScenarioOptions): Promise<Result[]>;
}

const REGISTRY_TOOLS = ['docker-registry', 'skopeo'] as const;

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  hash: {
    tools: [],
    async run({ scale, runs }) {
      const data = await benchHash(Math.ceil(256 * scale), runs);
      return [{ data, text: formatHash(data) }];
    },
  },
  codecs: {
    tools: [],
    async run({ scale, runs }) {
      const data = await benchCodecs(Math.ceil(64e6 * scale), runs);
      return [{ data, text: formatCodecs(data) }];
    },
  },
  index: { tools: [], run: reports(benchIndex) },
  assemble: { tools: [], run: reports(benchAssemble) },
  'docker-cold': { tools: REGISTRY_TOOLS, run: reports(benchDockerCold) },
  'docker-cached-layers': { tools: REGISTRY_TOOLS, run: reports(benchDockerCachedLayers) },
  'aci-https': { tools: ['openssl'], run: reports(benchAciHttps) },
  'aci-gzip': { tools: ['openssl'], run: reports(benchAciGzip) },
  'aci-signed': { tools: ['openssl', 'gpg'], smokeTools: ['gpg'], run: reports(benchSigned) },
  'slow-link': { tools: ['openssl'], run: reports(benchSlowLink) },
  'bulk-20': { tools: REGISTRY_TOOLS, run: reports(benchBulk) },
};

function reports(bench: (options: ScenarioOptions) => Promise<Report | Report[]>): Scenario['run'] {
  return async (options) => [await bench(options)].flat().map((data) => ({ data, text: formatReport(data) }));
}

export function missingOf(tools: readonly string[]): string[] {
  return tools.filter((tool) => !hasTool(tool));
}
