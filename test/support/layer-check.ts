/** One stack of layers, through the product and through the model. */

import { isFetchError } from '../../src/errors.js';
import { createRandom } from './images/random.js';
import {
  type AssembledAci,
  aciProblems,
  aciTree,
  assembleComplete,
  assembleGrowing,
  type ConvertedLayer,
  convertLayer,
  isStreamable,
  lateDirectories,
} from './layer-assembly.js';
import { applyLayers, type ModelFact, type ModelResult } from './layer-model.js';
import type { LayerStack } from './layer-stacks.js';

export interface StackReport {
  /** Empty when product and model agree. */
  readonly problems: readonly string[];
  readonly verdict: ModelResult['verdict'];
  readonly streamed: boolean;
}

const MANIFEST = JSON.stringify({ acKind: 'ImageManifest', acVersion: '0.8.11', name: 'example.test/model' });

/** Assembles the stack twice, complete and growing, in the folder. */
export async function checkStack(directory: string, { seed, layers }: LayerStack): Promise<StackReport> {
  const model = applyLayers(layers);
  const converted = layers.map(convertLayer);
  const streamed = isStreamable(converted);
  const outcome = await outcomeOf(() => assembleComplete(directory, MANIFEST, converted));
  const problems = [
    ...(await differences(model, outcome)),
    ...(layers.length === 1 && typeof outcome !== 'string' ? await orderProblems(outcome) : []),
    ...(await timingDifferences(outcome, directory, converted, seed)),
  ];
  return { problems, verdict: model.verdict, streamed };
}

/** For messages: the layers in the words of a listing. */
export function describeStack({ layers }: LayerStack): string {
  return layers
    .map((layer, at) => {
      const lines = layer.map(({ path, type, linkname }) =>
        [type ?? 'file', path.toString(), linkname === undefined ? '' : `-> ${linkname}`].join(' '),
      );
      return [`layer ${at}:`, ...lines].join('\n  ').replaceAll(/n{100,}/g, 'nnn');
    })
    .join('\n');
}

type Outcome = AssembledAci | string;

/** An ACI, or the code of the error. */
async function outcomeOf(run: () => Promise<AssembledAci>): Promise<Outcome> {
  try {
    return await run();
  } catch (error) {
    if (isFetchError(error)) return error.code;
    throw error;
  }
}

async function differences(model: ModelResult, outcome: Outcome): Promise<string[]> {
  if (typeof outcome === 'string') {
    if (model.verdict !== 'valid' && outcome === 'ERR_TAR_INVALID') return [];
    return [`the model finds it ${model.verdict}, the product ${outcome}`];
  }
  const problems = await aciProblems(outcome, MANIFEST);
  if (problems.length > 0) return problems;
  if (model.verdict === 'invalid') return ['the model finds it invalid, the product does not'];
  return treeDifferences(expectedTree(model), await aciTree(outcome), model.impliedDirectories);
}

async function orderProblems(aci: AssembledAci): Promise<string[]> {
  return (await lateDirectories(aci)).map((name) => `${name} stands after what its layer puts into it`);
}

async function timingDifferences(
  outcome: Outcome,
  directory: string,
  converted: readonly ConvertedLayer[],
  seed: number,
): Promise<string[]> {
  const growing = await outcomeOf(() => assembleGrowing(directory, MANIFEST, converted, createRandom(seed)));
  return summary(growing) === summary(outcome) ? [] : ['it depends on when the layers arrive'];
}

function summary(outcome: Outcome): string {
  if (typeof outcome === 'string') return outcome;
  const { extents, ...rest } = outcome.output;
  const parts = extents.map((extent) =>
    'bytes' in extent ? Buffer.from(extent.bytes).toString('hex') : extent,
  );
  return JSON.stringify({ ...rest, parts });
}

const ROOT: ModelFact = { type: 'directory', mode: 0o755, owner: '0:0', mtime: 0, xattrs: '' };

/** With what every ACI has: a root, and the links of Docker images in /dev where that is no other thing. */
function expectedTree({ tree, impliedDirectories }: ModelResult): Map<string, ModelFact> {
  const expected = new Map(tree);
  if (!expected.has('')) expected.set('', ROOT);
  const dev = impliedDirectories.has('dev') ? 'directory' : expected.get('dev')?.type;
  if (dev !== undefined && dev !== 'directory') return expected;
  const links = {
    stdin: '/proc/self/fd/0',
    stdout: '/dev/console',
    stderr: '/dev/console',
    fd: '/proc/self/fd',
  };
  for (const [name, target] of Object.entries(links)) {
    const path = `dev/${name}`;
    if (expected.has(path) || impliedDirectories.has(path)) continue;
    expected.set(path, { ...ROOT, type: 'symlink', mode: 0o777, target });
    if (dev === undefined) expected.set('dev', ROOT);
  }
  return expected;
}

function treeDifferences(
  expected: ReadonlyMap<string, ModelFact>,
  actual: ReadonlyMap<string, ModelFact>,
  impliedDirectories: ReadonlySet<string>,
): string[] {
  const problems: string[] = [];
  for (const path of new Set([...expected.keys(), ...actual.keys()])) {
    const [wanted, found] = [expected.get(path), actual.get(path)];
    // A directory without an entry may be there all the same.
    if (wanted === undefined && impliedDirectories.has(path) && found?.type === 'directory') continue;
    if (wanted === undefined) problems.push(`${path}: ${found?.type} that must not be there`);
    else if (found === undefined) problems.push(`${path}: no ${wanted.type}`);
    else if (text(wanted) !== text(found))
      problems.push(`${path}: ${text(found)} instead of ${text(wanted)}`);
  }
  return problems;
}

function text({ type, mode, owner, mtime, sha1, target, device, xattrs, sameAs }: ModelFact): string {
  return JSON.stringify({ type, mode: mode.toString(8), owner, mtime, sha1, target, device, xattrs, sameAs });
}
