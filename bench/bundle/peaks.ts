// What this card gives to plain kernels: a copy, multiply-adds in registers (f32 and f16), a matrix product. The shares of the other tables are of these.
import copySource from './copy.wgsl?text';
import fmaSource from './fma.wgsl?text';
import { install, type Watched } from './gpu.js';
import { openDevice } from './inside.js';
import { type Context, median, type Part } from './parts.js';
import productSource from './product.wgsl?text';

const usage = { copySrc: 0x04, copyDst: 0x08, storage: 0x80 } as const;

interface Probe {
  readonly name: string;
  readonly code: string;
  readonly constants?: Record<string, number>;
  readonly buffers: readonly number[]; // bytes
  readonly workgroups: readonly [number, number];
  readonly bytes?: number;
  readonly flops?: number;
}

export const peaks: Part = {
  name: 'peaks',
  limit: 40,
  async run(context) {
    const { small } = context;
    for (const f16 of [false, true]) {
      let opened: Watched[];
      try {
        opened = await install({ f16 });
        await openDevice(false);
      } catch (error) {
        if (!f16) throw error;
        context.note('f16: not run, the adapter has no shader-f16');
        continue;
      }
      const [watched] = opened;
      const mib = 2 ** 20;
      const length = small ? mib : 512 * mib;
      const groups = small ? 4 : 8192;
      const rounds = small ? 16 : 2048;
      const n = small ? 128 : 4096;
      const fma = (type: string, enable: string): Probe => ({
        name: `multiply-adds in registers, ${f16 ? 'f16' : 'f32'}`,
        code: `${enable} alias T = ${type};\n${fmaSource}`,
        constants: { ROUNDS: rounds },
        buffers: [1024 * 16],
        workgroups: [groups, 1],
        flops: groups * 256 * rounds * 16 * 4 * 2,
      });
      const probes: Probe[] = f16
        ? [fma('vec4h', 'enable f16;')]
        : [
            {
              name: 'copy',
              code: copySource,
              buffers: [length, length],
              workgroups: [small ? 16 : 16384, 1],
              bytes: 2 * length,
            },
            fma('vec4f', ''),
            {
              name: `matrix product ${n}, f32`,
              code: productSource,
              constants: { N: n },
              buffers: [4 * n * n, 4 * n * n, 4 * n * n],
              workgroups: [n / 128, n / 128],
              flops: 2 * n ** 3,
            },
          ];
      for (const probe of probes) await measure(watched, probe, context);
      watched.device.destroy();
    }
  },
};

async function measure(watched: Watched, probe: Probe, { put, small }: Context): Promise<void> {
  const { device } = watched;
  device.pushErrorScope('validation');
  const pipeline = await device.createComputePipelineAsync({
    label: probe.name,
    layout: 'auto',
    compute: { module: device.createShaderModule({ code: probe.code }), constants: probe.constants },
  });
  const buffers = probe.buffers.map((size) =>
    device.createBuffer({ size, usage: usage.storage | usage.copyDst | usage.copySrc }),
  );
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  const once = async (): Promise<void> => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...probe.workgroups);
    pass.end();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
  };
  await once();
  const timed = await watched.time('pass', async () => {
    for (let i = 0; i < (small ? 2 : 20); i++) await once();
  });
  const error = await device.popErrorScope();
  if (error) throw new Error(`${probe.name}: ${error.message}`);
  const times = timed.map(({ begin, end }) => end - begin);
  const [ns, best] = [median(times), Math.min(...times)];
  put('peaks', {
    what: probe.name,
    ms: ns / 1e6,
    ...(probe.bytes && { gbs: probe.bytes / ns, bestGbs: probe.bytes / best }),
    ...(probe.flops && { tfs: probe.flops / ns / 1000, bestTfs: probe.flops / best / 1000 }),
  });
  for (const buffer of buffers) buffer.destroy();
}
