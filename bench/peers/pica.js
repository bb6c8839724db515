// pica's Lanczos on its wasm, on this thread.
import createPica from 'pica';

export function openPica() {
  const pica = createPica({ features: ['js', 'wasm'] });
  return {
    run: ({ data, width, height }) =>
      pica.resizeBuffer({ src: data, width, height, toWidth: 2 * width, toHeight: 2 * height, filter: 'lanczos3' }),
  };
}
