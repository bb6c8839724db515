// resize: separable interpolation at half-pixel centres, u = (o + 0.5) * in/out - 0.5, taps clamped to the edge, no antialiasing.
// x (n, h, w, c) -> (n, height, width, c). bilinear: 2 taps; bicubic: 4 taps of the cubic convolution kernel with parameter a.
// torch F.interpolate(align_corners=False) (bilinear; bicubic with a = -0.75); Keys 1981, MATLAB imresize and PIL: a = -0.5.
import type { ResizeMode } from '../../core/shapes.js';
import type { Shape, Tensor } from '../../core/tensor.js';

export function resize(x: Tensor, height: number, width: number, mode: ResizeMode, cubicA: number): Tensor {
  const [n, h, w, c] = x.shape;
  const shape: Shape = [n, height, width, c];
  const y = new Float32Array(n * height * width * c);
  const rows = axisTaps(h, height, mode, cubicA);
  const columns = axisTaps(w, width, mode, cubicA);
  let target = 0;
  for (let i = 0; i < n; i++) {
    for (const row of rows) {
      for (const column of columns) {
        for (let ci = 0; ci < c; ci++) {
          let sum = 0;
          for (const [iy, wy] of row) for (const [ix, wx] of column) sum += wy * wx * x.data[((i * h + iy) * w + ix) * c + ci];
          y[target++] = sum;
        }
      }
    }
  }
  return { data: y, shape };
}

/** For each output position along one axis, its [source index, weight] pairs. */
export function axisTaps(size: number, outSize: number, mode: ResizeMode, cubicA: number): [number, number][][] {
  const kernel = mode === 'bilinear' ? (t: number) => 1 - Math.abs(t) : (t: number) => cubic(Math.abs(t), cubicA);
  const radius = mode === 'bilinear' ? 1 : 2;
  return Array.from({ length: outSize }, (_, o) => {
    const u = (o + 0.5) * (size / outSize) - 0.5;
    const first = Math.floor(u) - radius + 1;
    return Array.from({ length: 2 * radius }, (_, j): [number, number] => [Math.min(Math.max(first + j, 0), size - 1), kernel(u - (first + j))]);
  });
}

function cubic(t: number, a: number): number {
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
  return 0;
}
