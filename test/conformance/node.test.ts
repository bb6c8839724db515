// The conformance suite in Node. The reference is what the others are measured against, so it runs the golden vectors
// and properties instead.
import { describe, it } from 'vitest';
import { fastBackends } from '../backends.js';
import { writePictures } from '../pictures.js';
import { conformance, PictureError } from './suite.js';

for (const { name, open } of fastBackends) {
  describe(name, () =>
    conformance(open, {
      test(title, body) {
        it(title, () =>
          body().catch(async (error: unknown) => {
            if (!(error instanceof PictureError)) throw error;
            const where = await writePictures(`${name} ${title}`, error.pictures.got, error.pictures.want);
            throw new Error(`${error.message}; see ${where}`);
          }),
        );
      },
    }),
  );
}
