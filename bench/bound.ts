/** What a machine can do at best: the work of all stages over all its cores, and no less than what only one can do. */

/** CPU time of each part of a fetch, by itself. */
export interface StageCosts {
  /** Receiving, and decrypting where it is TLS. */
  readonly downloadMs: number;
  readonly sha256Ms: number;
  readonly inflateMs: number;
  readonly sha512Ms: number;
  readonly writeMs: number;
  /** What the server spends meanwhile, which is on the same machine here. */
  readonly servingMs: number;
}

export type StageName = keyof StageCosts;

export interface BoundInput {
  readonly stages: StageCosts;
  readonly cores: number;
  /** What counts. */
  readonly of: readonly StageName[];
  /** Each of these has to be done in the order of the bytes, by one core at a time. */
  readonly serial: readonly StageName[];
}

export const CLIENT_STAGES = ['downloadMs', 'sha256Ms', 'inflateMs', 'sha512Ms', 'writeMs'] as const;

/** Milliseconds of wall time that no program made of these stages is faster than. */
export function machineBoundMs({ stages, cores, of, serial }: BoundInput): number {
  return Math.max(sumOf(stages, of) / cores, ...serial.map((name) => stages[name]));
}

export function sumOf(stages: StageCosts, names: readonly StageName[]): number {
  return names.reduce((sum, name) => sum + stages[name], 0);
}
