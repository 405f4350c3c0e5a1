/** Tells whether the process that left a lock or a temporary folder behind is still at work. */

import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';

/** Names one process, across reboots, reused numbers and containers. */
export interface Owner {
  readonly token: string;
  readonly pid: number;
  /** Clock ticks from boot to the start of the process; tells reused numbers apart. */
  readonly startTicks?: string | undefined;
  readonly bootId?: string | undefined;
  readonly pidNamespace?: string | undefined;
}

/** How often an owner touches its folder, and after how long without that one of another container is dead. */
export const HEARTBEAT_MS = 20_000;
export const HEARTBEAT_DEAD_MS = 90_000;

export function thisProcess(): Owner {
  return {
    token: randomUUID(),
    pid: process.pid,
    startTicks: startTicks('self'),
    bootId: bootId(),
    pidNamespace: pidNamespace(),
  };
}

/** `heartbeatAgeMs`: since the owner last touched its folder; the only sign of life from another container. */
export function isAlive(owner: Owner, heartbeatAgeMs: number): boolean {
  if (owner.bootId !== bootId() || owner.pidNamespace !== pidNamespace()) {
    return heartbeatAgeMs < HEARTBEAT_DEAD_MS;
  }
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    // EPERM: it lives, as another user.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return owner.startTicks === startTicks(String(owner.pid));
}

/** @returns undefined for anything that is no owner */
export function parseOwner(text: string): Owner | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const owner = value as Partial<Owner>;
    return typeof owner.token === 'string' && typeof owner.pid === 'number' ? (owner as Owner) : undefined;
  } catch {
    return undefined;
  }
}

/** Changes with every start of the machine; undefined where the system does not tell. */
export function bootId(): string | undefined {
  return readText('/proc/sys/kernel/random/boot_id');
}

function startTicks(pid: string): string | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  // Field 22; the name in field 2 may hold spaces and parentheses, so count from its end.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

function pidNamespace(): string | undefined {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return undefined;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
