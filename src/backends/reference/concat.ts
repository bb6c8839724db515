// concat: the channels of several tensors, one after the other.
// (n, h, w, c1), (n, h, w, c2), ... -> (n, h, w, c1 + c2 + ...). torch.cat along the channels.
import { concatShape } from '../../core/shapes.js';
import { elements, type Tensor } from '../../core/tensor.js';

export function concat(...xs: readonly Tensor[]): Tensor {
  const shape = concatShape(...xs.map((x) => x.shape));
  const y = new Float32Array(elements(shape));
  let first = 0;
  for (const { data, shape: own } of xs) {
    const c = own[3];
    for (let i = 0; i < data.length; i++) y[Math.floor(i / c) * shape[3] + first + (i % c)] = data[i];
    first += c;
  }
  return { data: y, shape };
}
