// What scripts/assets.js turns files into.
declare module '*.wgsl' {
  const file: import('./backends/webgpu/shader.js').ShaderFile;
  export default file;
}
declare module '*/shaders?texts' {
  const texts: import('./backends/webgpu/shader.js').ShaderTexts;
  export default texts;
}
declare module '*.deflate' {
  const base64: string;
  export default base64;
}
declare module '*.safetensors' {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
declare module '*?text' {
  const source: string;
  export default source;
}
declare module 'comlink/dist/esm/node-adapter.mjs' {
  import type { Endpoint } from 'comlink';
  /** Node's Worker or MessagePort as the EventTarget comlink talks to. */
  export default function nodeEndpoint(port: object): Endpoint;
}
