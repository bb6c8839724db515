// MATLAB's imresize(image, [height width], 'bicubic'): antialiased when it shrinks, pixels outside mirrored, rounded to 8 bits at the end.
// It makes the low-resolution inputs of the super-resolution literature and its bicubic baseline. Source: MATLAB imresize.m
// (kernel a = -0.5, stretched by 1/scale when shrinking; weights normalised; vertical pass, then horizontal).

/** RGBA8 or RGB8 {data, width, height, channels} -> the same with another size. */
export function imresize({ data, width, height, channels }, outWidth, outHeight) {
  const rows = contributions(height, outHeight);
  const columns = contributions(width, outWidth);
  const between = new Float64Array(outHeight * width * channels);
  rows.forEach((taps, oy) => {
    for (const [iy, weight] of taps) {
      for (let i = 0; i < width * channels; i++)
        between[oy * width * channels + i] += weight * data[iy * width * channels + i];
    }
  });
  const out = new Uint8ClampedArray(outHeight * outWidth * channels);
  for (let oy = 0; oy < outHeight; oy++) {
    columns.forEach((taps, ox) => {
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (const [ix, weight] of taps) sum += weight * between[(oy * width + ix) * channels + c];
        out[(oy * outWidth + ox) * channels + c] = Math.floor(sum + 0.5);
      }
    });
  }
  return { data: out, width: outWidth, height: outHeight, channels };
}

function contributions(size, outSize) {
  const scale = outSize / size;
  const stretch = Math.min(scale, 1);
  const support = 4 / stretch;
  return Array.from({ length: outSize }, (_, o) => {
    const u = (o + 0.5) / scale - 0.5;
    const first = Math.floor(u - support / 2) + 1;
    const taps = [];
    for (let i = first; i < first + Math.ceil(support) + 1; i++) {
      const weight = cubic(Math.abs((u - i) * stretch));
      if (weight !== 0) taps.push([mirror(i, size), weight]);
    }
    const sum = taps.reduce((total, [, weight]) => total + weight, 0);
    return taps.map(([i, weight]) => [i, weight / sum]);
  });
}

function cubic(t) {
  if (t <= 1) return (1.5 * t - 2.5) * t * t + 1;
  if (t < 2) return ((-0.5 * t + 2.5) * t - 4) * t + 2;
  return 0;
}

/** ... 1 0 | 0 1 2 ... n-1 | n-1 n-2 ... */
function mirror(i, size) {
  const period = ((i % (2 * size)) + 2 * size) % (2 * size);
  return period < size ? period : 2 * size - 1 - period;
}
