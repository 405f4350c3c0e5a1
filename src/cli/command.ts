/** The base of every command: global options, settings, engine, and where its lines go. */

import { type BaseContext, Command, Option } from 'clipanion';
import {
  type CredentialSource,
  createEngine,
  type Engine,
  type EngineLimits,
  type Environment,
  type EventSink,
  engineOptionsFrom,
  GLOBAL_OPTIONS,
  type LoadedSettings,
  loadSettings,
  type OptionSpec,
  type OptionValues,
  type RawValues,
  resolveOptions,
  type Settings,
} from '../index.js';
import type { CommandSpec } from './command-spec.js';
import { jsonText, printable } from './text.js';

export interface CommandContext extends BaseContext {
  environment: Environment;
  signal: AbortSignal;
  /** The files of `--signature`, by the place of the image that each followed. */
  signatures: ReadonlyMap<number, string>;
}

const GLOBAL_PREFIX = 'global.';
const OWN_PREFIX = 'own.';

/**
 * Options are declared to clipanion as properties, under prefixes that keep them apart from those of the class;
 * every command accepts every global option.
 */
export abstract class AciCommand extends Command<CommandContext> {
  constructor(spec: CommandSpec) {
    super();
    declareOptions(this, GLOBAL_OPTIONS, GLOBAL_PREFIX);
    declareOptions(this, spec.options, OWN_PREFIX);
  }

  /** Does the work and returns the exit code; throws FetchError when it cannot. */
  abstract run(loaded: LoadedSettings): Promise<number>;

  async execute(): Promise<number> {
    const { environment } = this.context;
    const flags = readOptions(this, GLOBAL_OPTIONS, GLOBAL_PREFIX);
    return await this.run(await loadSettings({ flags, environment }));
  }

  /** The values of the command's own options, out of configuration files too where there are any. Throws ERR_USAGE. */
  protected values<const T extends readonly OptionSpec[]>(
    table: T,
    files: LoadedSettings['layers'] = [],
  ): OptionValues<T> {
    const { variables } = this.context.environment;
    return resolveOptions(table, { flags: readOptions(this, table, OWN_PREFIX), variables, files }).values;
  }

  protected print(line: string): void {
    this.context.stdout.write(`${line}\n`);
  }

  protected printJson(value: unknown): void {
    this.print(jsonText(value));
  }

  /** An informational line; left out with `--quiet`. */
  protected inform(settings: Settings, line: string): void {
    if (!settings.quiet) this.context.stderr.write(`aci: ${printable(line)}\n`);
  }
}

function declareOptions(command: AciCommand, table: readonly OptionSpec[], prefix: string): void {
  for (const option of table) Object.assign(command, { [prefix + option.key]: parserOption(option) });
}

function parserOption(option: OptionSpec): unknown {
  const names = option.short === undefined ? option.name : `${option.short},${option.name}`;
  switch (option.kind) {
    case 'flag':
      return Option.String(names, { tolerateBoolean: true });
    case 'list':
      return Option.Array(names);
    default:
      return Option.String(names);
  }
}

function readOptions(command: AciCommand, table: readonly OptionSpec[], prefix: string): RawValues {
  const given: Record<string, unknown> = {};
  for (const { key } of table) given[key] = Reflect.get(command, prefix + key);
  return given;
}

/** Runs `use` on an engine made from the settings and closes the engine, whatever happens. */
export async function withEngine<T>(
  settings: Settings,
  onEvent: EventSink | undefined,
  use: (engine: Engine) => Promise<T>,
  credentials?: CredentialSource,
  limits?: EngineLimits,
): Promise<T> {
  const engine = await createEngine(engineOptionsFrom(settings, onEvent, credentials, limits));
  try {
    return await use(engine);
  } finally {
    await engine.close();
  }
}
