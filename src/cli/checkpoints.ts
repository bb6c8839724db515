// What inspect and convert share: the file that they read, and hints where it leaves something open.
import { readFile } from 'node:fs/promises';
import { CarafeError, type LoadCarafeOptions } from '../index.js';
import { reason } from './codec.js';
import { invalid, number } from './options.js';

export const HINT_OPTIONS = {
  prefix: { type: 'string', short: 'p' },
  activation: { type: 'string' },
  eps: { type: 'string' },
  scale: { type: 'string', short: 's' },
  groups: { type: 'string' },
} as const;

export function hints(values: { [name in keyof typeof HINT_OPTIONS]?: string }): LoadCarafeOptions {
  const { prefix, activation, eps, scale, groups } = values;
  if (eps !== undefined && !(Number(eps) > 0)) throw invalid('eps', 'a positive number', eps);
  return {
    ...(prefix !== undefined && { prefix }),
    ...(activation && { activation: activation as 'silu' }), // checked where the module is made
    ...(eps && { eps: Number(eps) }),
    ...(scale && { scale: number('scale', scale) }),
    ...(groups && { groups: number('groups', groups) }),
  };
}

/** @throws {CarafeError} ModelInvalid */
export async function readModel(name: string): Promise<Uint8Array> {
  return readFile(name).catch((error) => {
    throw new CarafeError('ModelInvalid', `Expected a model file, got ${JSON.stringify(name)}: ${reason(error)}`);
  });
}

export function isOnnx(name: string): boolean {
  return /\.onnx$/i.test(name);
}
