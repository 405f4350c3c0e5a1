/** Where credentials come from: the configuration folders first, then what Docker and Podman have stored. */

import { join } from 'node:path';
import { readJsonDocument } from '../aci/json-fields.js';
import {
  type Credential,
  credentialForRegistry,
  credentialForUrl,
  type RegistryCredential,
  type Sourced,
} from '../auth/credentials.js';
import { untilAborted } from '../errors.js';
import { readConfigFile, rejectIn } from './config-files.js';
import { exposureWarning, forbiddenWarning, readCredentialFiles } from './credential-files.js';
import { askHelper } from './credential-helper.js';
import { type DockerHelper, findDockerAuth, holdsSecrets } from './docker-auth.js';
import { type Environment, xdgFolder } from './env.js';
import { configFolders, type Settings } from './settings.js';

export interface CredentialSource {
  /** For an https URL whose host and port have credentials in a configuration folder. */
  forUrl(url: string): Sourced<Credential> | undefined;
  /**
   * For a repository of a registry (`HOST[:PORT]`). Reads the files of Docker, and runs a helper, only when the folders
   * have nothing; each helper once for a registry. Rejects with ERR_CONFIG_INVALID, ERR_IO and ERR_ABORTED.
   */
  forRegistry(
    registry: string,
    repository: string,
    signal: AbortSignal,
  ): Promise<Sourced<RegistryCredential> | undefined>;
  /** Ends the helpers that still run. */
  close(): void;
}

export interface CredentialSourceOptions {
  readonly settings: Pick<Settings, 'systemConfig' | 'localConfig' | 'userConfig'>;
  readonly environment: Environment;
  /** One line, each once: files that others can read, or this user cannot, and helpers that fail. */
  readonly onWarning: (warning: string) => void;
}

/** Reads the configuration folders. Throws ERR_CONFIG_INVALID that names file and field, and ERR_IO. */
export async function openCredentialSource(options: CredentialSourceOptions): Promise<CredentialSource> {
  const { settings, environment } = options;
  const { credentials, warnings } = await readCredentialFiles(configFolders(settings));
  const closing = new AbortController();
  const told = new Set<string>();
  const warn = (warning: string | undefined): void => {
    if (warning === undefined || told.has(warning)) return;
    told.add(warning);
    options.onWarning(warning);
  };
  for (const warning of warnings) warn(warning);
  const asked = new Map<string, Promise<RegistryCredential | undefined>>();

  async function ask(helper: DockerHelper): Promise<RegistryCredential | undefined> {
    const answer = await askHelper(helper, { variables: environment.variables, signal: closing.signal });
    if (answer.kind === 'failed') warn(`${answer.problem}; ${helper.server} is asked without credentials`);
    return answer.kind === 'found' ? answer.credential : undefined;
  }

  function askOnce(helper: DockerHelper): Promise<RegistryCredential | undefined> {
    const key = `${helper.name} ${helper.server}`;
    const answer = asked.get(key) ?? ask(helper);
    asked.set(key, answer);
    return answer;
  }

  async function fromDocker(registry: string, repository: string, signal: AbortSignal) {
    for (const path of dockerAuthFiles(environment)) {
      const file = await readConfigFile(path, (forbidden) => warn(forbiddenWarning(forbidden)));
      if (file === undefined) continue;
      const document = readJsonDocument(file.bytes, rejectIn(path));
      if (holdsSecrets(document)) warn(exposureWarning(path, file.mode));
      const auth = findDockerAuth(document, registry, repository);
      if (auth?.kind === 'credential') return { credential: auth.credential, source: path };
      if (auth === undefined) continue;
      const credential = await untilAborted(askOnce(auth.helper), signal);
      if (credential !== undefined) return { credential, source: `docker-credential-${auth.helper.name}` };
    }
    return undefined;
  }

  return {
    forUrl: (url) => credentialForUrl(credentials, url),
    async forRegistry(registry, repository, signal) {
      return credentialForRegistry(credentials, registry) ?? (await fromDocker(registry, repository, signal));
    },
    close: () => closing.abort(),
  };
}

/** The files in the order in which they are looked into (containers-auth.json(5), and Docker's own). */
export function dockerAuthFiles({ variables, home }: Environment): readonly string[] {
  const { REGISTRY_AUTH_FILE: only, XDG_RUNTIME_DIR: runtime, DOCKER_CONFIG: docker } = variables;
  if (only !== undefined && only !== '') return [only];
  const config = xdgFolder(variables['XDG_CONFIG_HOME'], join(home, '.config'));
  return [
    ...(runtime?.startsWith('/') ? [join(runtime, 'containers', 'auth.json')] : []),
    join(config, 'containers', 'auth.json'),
    join(docker !== undefined && docker !== '' ? docker : join(home, '.docker'), 'config.json'),
  ];
}
