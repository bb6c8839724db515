// The operator and the upscaling network in tfjs on its WebGPU backend, in a page: the graphs of carafe-onnx.js in tfjs's ops, NHWC as tfjs likes it.
// tfjs is loaded by script tags: its bundles are not modules.
const FOLDER = '/bench/peers/node_modules/@tensorflow/';

export async function openTfjs() {
  // tfjs 4.11 asks for the adapter's name by a method that engines have removed since.
  const page = /** @type {any} */ (globalThis);
  page.GPUAdapter.prototype.requestAdapterInfo ??= async function requestAdapterInfo() {
    return this.info;
  };
  for (const file of ['tfjs/dist/tf.min.js', 'tfjs-backend-webgpu/dist/tf-backend-webgpu.min.js'])
    await load(FOLDER + file);
  const { tf } = page;
  if (!(await tf.setBackend('webgpu'))) throw new Error('Expected tfjs to have its webgpu backend, got a refusal');
  await tf.ready();
  return tf;
}

function load(src) {
  return new Promise((resolve, reject) => {
    document.head.append(
      Object.assign(document.createElement('script'), {
        src,
        onload: resolve,
        onerror: () => reject(new Error(`Expected a script at ${src}`)),
      }),
    );
  });
}

/** PyTorch's (cOut, cIn, k, k) as tfjs's filter [k, k, cIn, cOut]. */
/** @param {any} tf @param {{ weights: any, bias?: any }} parameters */
function convolution(tf, { weights, bias }) {
  const filter = tf.transpose(tf.tensor(Float32Array.from(weights.data), weights.shape), [2, 3, 1, 0]);
  const offset = bias && tf.tensor1d(Float32Array.from(bias.data));
  return (x, pad = 'same') => {
    const y = tf.conv2d(x, filter, 1, pad);
    return offset ? tf.add(y, offset) : y;
  };
}

/**
 * x [1, c, h, w] -> [1, c, h*s, w*s]; groups = 1, kernels as rows [tap][sub-pixel].
 * @param {'smart' | 'matmul'} graph smart: tap after tap, slice * kernel; matmul: [s^2, kUp^2] x [kUp^2, c] for each pixel
 */
export function operator(tf, { c, h, w, scale: s, kUp }, { compress, encode }, graph) {
  const [first, second] = [convolution(tf, compress), convolution(tf, encode)];
  const [taps, r] = [kUp * kUp, (kUp - 1) / 2];
  return async (data) => {
    const y = tf.tidy(() => {
      const x = tf.transpose(tf.tensor(data, [1, c, h, w]), [0, 2, 3, 1]);
      const kernels = tf.softmax(tf.transpose(tf.reshape(second(first(x)), [h * w, taps, s * s]), [0, 2, 1])); // [h w, s^2, taps]
      const padded = tf.pad(x, [
        [0, 0],
        [r, r],
        [r, r],
        [0, 0],
      ]);
      const windows = Array.from({ length: taps }, (_, tap) =>
        tf.slice(padded, [0, Math.floor(tap / kUp), tap % kUp, 0], [1, h, w, c]),
      );
      let pixels; // [h w, s^2, c]
      if (graph === 'matmul') {
        pixels = tf.matMul(kernels, tf.reshape(tf.concat(windows, 3), [h * w, taps, c]));
      } else {
        pixels = windows
          .map((window, tap) =>
            tf.mul(tf.reshape(window, [h * w, 1, c]), tf.slice(kernels, [0, 0, tap], [h * w, s * s, 1])),
          )
          .reduce((a, b) => tf.add(a, b));
      }
      return tf.transpose(tf.reshape(pixels, [h, w, s, s, c]), [4, 0, 2, 1, 3]);
    });
    const result = await y.data();
    y.dispose();
    return result;
  };
}

/** carafe-luma of scale s: luma of h*w values in 0..1 -> h*s*w*s; zeros outside, right from the network's radius off the border on. */
export function network(tf, { metadata, tensor }, h, w) {
  const [s, kUp, groups, body] = ['scale', 'kUp', 'groups', 'body'].map((name) => Number(metadata[name]));
  const layer = (name) => convolution(tf, { weights: tensor(`${name}.weights`), bias: tensor(`${name}.bias`) });
  const compress = Number(metadata.cMid) > 0 ? convolution(tf, { weights: tensor('compress.weights') }) : (x) => x;
  const [head, encode, maps] = ['head', 'encode', 'maps'].map(layer);
  const bodies = Array.from({ length: body }, (_, i) => layer(`body.${i}`));
  const act = (x) => tf.leakyRelu(x, Number(metadata.slope));
  const [taps, r] = [kUp * kUp, (kUp - 1) / 2];
  const bicubic = convolution(tf, tensor('bicubic'));
  return async (luma) => {
    const y = tf.tidy(() => {
      const x = tf.tensor(luma, [1, h, w, 1]);
      const f = bodies.reduce((hidden, conv) => tf.add(act(conv(hidden)), hidden), act(head(x)));
      const kernels = tf.softmax(
        tf.transpose(tf.reshape(encode(compress(f)), [h * w, groups, taps, s * s]), [0, 1, 3, 2]),
      ); // [h w, groups, s^2, taps]
      const padded = tf.pad(maps(f), [
        [0, 0],
        [r, r],
        [r, r],
        [0, 0],
      ]);
      const windows = tf.stack(
        Array.from({ length: taps }, (_, tap) =>
          tf.slice(padded, [0, Math.floor(tap / kUp), tap % kUp, 0], [1, h, w, groups]),
        ),
        4,
      ); // [1, h, w, groups, taps]
      const detail = tf.sum(tf.mul(kernels, tf.reshape(windows, [h * w, groups, 1, taps])), [1, 3]); // [h w, s^2]
      return tf.depthToSpace(tf.add(bicubic(x), tf.reshape(detail, [1, h, w, s * s])), s, 'NHWC');
    });
    const result = await y.data();
    y.dispose();
    return result;
  };
}
