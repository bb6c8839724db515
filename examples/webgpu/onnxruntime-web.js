// CARAFE between two onnxruntime-web sessions on one GPUDevice: features go from session to session without leaving the GPU.
// onnxruntime-web 1.30 makes the device itself (giving it one is documented, and not done), so we take its device.
import { createGpuCarafe } from 'carafe-web/webgpu';
import * as ort from 'onnxruntime-web/webgpu';

/**
 * Sessions of one input and one output, f32 (n, c, h, w).
 * @param {{ backbone: Uint8Array, head: Uint8Array }} models .onnx files: features before CARAFE, and what comes after it
 * @param {import('carafe-web').LoadedCarafe} module as of loadCarafe
 * @returns a function from an image tensor to the head's result
 */
export async function openChain({ backbone, head }, module) {
  const options = { executionProviders: ['webgpu'] };
  const first = await ort.InferenceSession.create(backbone, { ...options, preferredOutputLocation: 'gpu-buffer' });
  const second = await ort.InferenceSession.create(head, options);
  const device = await ort.env.webgpu.device;
  const carafe = createGpuCarafe(device, module);
  let prepared;
  let of = '';
  return async (data, dims) => {
    const results = await first.run({ [first.inputNames[0]]: new ort.Tensor('float32', data, dims) });
    const features = results[first.outputNames[0]]; // features.gpuBuffer: nothing is read back
    if (of !== String(features.dims)) {
      [prepared, of] = [await carafe.prepare(features.dims), String(features.dims)];
    }
    const { shape, bytes, record } = prepared;
    const y = device.createBuffer({ size: bytes, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
    const encoder = device.createCommandEncoder();
    record(encoder, features.gpuBuffer, y);
    device.queue.submit([encoder.finish()]);
    const enlarged = ort.Tensor.fromGpuBuffer(y, { dataType: 'float32', dims: shape });
    const { [second.outputNames[0]]: result } = await second.run({ [second.inputNames[0]]: enlarged });
    features.dispose();
    y.destroy();
    return result;
  };
}
