// pica's Lanczos on its wasm, on this thread.
import createPica from 'pica';

export function openPica(scale = 2) {
  const pica = createPica({ features: ['js', 'wasm'] });
  return {
    run: ({ data, width, height }) =>
      pica.resizeBuffer({
        src: data,
        width,
        height,
        toWidth: scale * width,
        toHeight: scale * height,
        filter: 'lanczos3',
      }),
  };
}
