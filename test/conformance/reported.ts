// A suite that ran elsewhere, in a browser or another runtime: a test here for each of its cases.
import { expect, it } from 'vitest';
import type { Outcome } from './suite.js';

/** `results` is called when the tests run: the report is there by then. */
export function reportedTests(names: readonly string[], results: () => readonly Outcome[]): void {
  let errors: Map<string, string | undefined> | undefined;
  for (const name of names) {
    it(name, () => {
      errors ??= new Map(results().map((one) => [one.name, one.error]));
      expect(errors.has(name)).toBe(true);
      const error = errors.get(name);
      if (error !== undefined) throw new Error(error);
    });
  }
}
