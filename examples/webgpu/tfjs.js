// CARAFE between ops of TensorFlow.js on its WebGPU backend: tensors stay on the GPU. tfjs is NHWC, and so is this module.
import * as tf from '@tensorflow/tfjs-core';
import { createGpuCarafe } from 'carafe-web/webgpu';
import '@tensorflow/tfjs-backend-webgpu';

/**
 * @param {import('carafe-web').LoadedCarafe} module as of loadCarafe
 * @returns a function from a tensor [n, h, w, c] to the enlarged tensor
 */
export async function openCarafe({ weights, options }) {
  await tf.setBackend('webgpu');
  await tf.ready();
  tf.env().set('WEBGPU_CPU_FORWARD', false); // small tensors too are computed on the GPU
  const { device } = /** @type {import('@tensorflow/tfjs-backend-webgpu').WebGPUBackend} */ (tf.backend());
  const carafe = createGpuCarafe(device, { weights, options: { ...options, layout: 'NHWC' } });
  const prepared = new Map();
  return async (/** @type {tf.Tensor4D} */ x) => {
    const key = x.shape.join();
    if (!prepared.has(key)) prepared.set(key, await carafe.prepare(x.shape));
    const { shape, bytes, record } = prepared.get(key);
    const { buffer, tensorRef } = x.dataToGPU(); // submits what tfjs has recorded
    const y = device.createBuffer({ size: bytes, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
    const encoder = device.createCommandEncoder();
    record(encoder, buffer, y);
    device.queue.submit([encoder.finish()]);
    tensorRef.dispose();
    return tf.tensor({ buffer: y, zeroCopy: true }, shape); // the tensor owns the buffer from here on
  };
}
