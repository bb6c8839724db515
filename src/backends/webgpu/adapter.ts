// Finds a GPU device on this thread, and tells a software adapter from a real one.
import { CarafeError } from '../../core/errors.js';
import { noAdapter } from './no-adapter.js';

/** @throws {CarafeError} BackendUnavailable with the reason. The device is the caller's to destroy. */
export async function openDevice(hardwareOnly: boolean): Promise<GPUDevice> {
  const gpu = (globalThis.navigator as Navigator | undefined)?.gpu;
  const adapter = await gpu?.requestAdapter({ powerPreference: 'high-performance' }).catch((cause: Error) => {
    throw unavailable(`requestAdapter failed: ${cause.message}`);
  });
  if (!adapter) return noAdapter();
  if (hardwareOnly && isSoftwareAdapter(adapter.info))
    throw unavailable(`${describeAdapter(adapter.info)} is a software adapter, slower than wasm`);
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  try {
    const requiredFeatures: GPUFeatureName[] = adapter.features.has('shader-f16') ? ['shader-f16'] : [];
    return await adapter.requestDevice({
      requiredFeatures,
      requiredLimits: { maxBufferSize, maxStorageBufferBindingSize },
    });
  } catch (cause) {
    throw unavailable(`requestDevice failed: ${(cause as Error).message}`);
  }
}

/** SwiftShader, lavapipe and WARP; some announce themselves only by name. */
export function isSoftwareAdapter(info: GPUAdapterInfo): boolean {
  if ((info as { isFallbackAdapter?: boolean }).isFallbackAdapter) return true;
  return /swiftshader|llvmpipe|lavapipe|basic render|software/i.test(
    `${info.vendor} ${info.architecture} ${info.device} ${info.description}`,
  );
}

export function describeAdapter(info: GPUAdapterInfo): string {
  return (
    info.description || [info.vendor, info.architecture, info.device].filter(Boolean).join(' ') || 'unnamed adapter'
  );
}

function unavailable(reason: string): CarafeError {
  return new CarafeError('BackendUnavailable', reason);
}
