/** The least time that a machine needs for the stages of a fetch. */

import { describe, expect, it } from 'vitest';
import { CLIENT_STAGES, machineBoundMs, type StageCosts, sumOf } from '../../../bench/bound.js';

const stages: StageCosts = {
  downloadMs: 90,
  sha256Ms: 260,
  inflateMs: 1850,
  sha512Ms: 1900,
  writeMs: 350,
  servingMs: 150,
};

describe('machineBoundMs', () => {
  it('is the work of all stages over the cores while that is the longest', () => {
    expect(machineBoundMs({ stages, cores: 2, of: CLIENT_STAGES, serial: ['sha512Ms'] })).toBe(2225);
  });

  it('is never less than a stage that one core has to do alone, however many cores there are', () => {
    expect(machineBoundMs({ stages, cores: 8, of: CLIENT_STAGES, serial: ['sha512Ms'] })).toBe(1900);
    expect(machineBoundMs({ stages, cores: 8, of: CLIENT_STAGES, serial: [] })).toBe(556.25);
  });

  it('takes the longest of several such stages', () => {
    const slowInflate = { ...stages, inflateMs: 2500 };
    const serial = ['sha512Ms', 'inflateMs'] as const;
    expect(machineBoundMs({ stages: slowInflate, cores: 8, of: CLIENT_STAGES, serial })).toBe(2500);
  });

  it('counts the stages that it is told to', () => {
    const of = ['downloadMs', 'inflateMs', 'sha512Ms'] as const;
    expect(machineBoundMs({ stages, cores: 2, of, serial: [] })).toBe(1920);
    expect(machineBoundMs({ stages, cores: 1, of: [...of, 'servingMs'], serial: [] })).toBe(3990);
  });
});

it('sums the stages that it is given', () => {
  expect(sumOf(stages, CLIENT_STAGES)).toBe(4450);
  expect(sumOf(stages, [])).toBe(0);
});
