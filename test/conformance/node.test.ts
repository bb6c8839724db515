// The conformance suite in Node. The reference is what the others are measured against, so it runs the golden vectors and properties instead.
import { describe, it } from 'vitest';
import { fastBackends } from '../backends.js';
import { conformance } from './suite.js';

for (const { name, open } of fastBackends) {
  describe(name, () => conformance(open, { test: (title, body) => void it(title, body) }));
}
