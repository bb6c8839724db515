// carafe-web/models/*.js: the bytes of a .safetensors file. For the option `model`.
declare const model: ReturnType<Uint8Array['slice']>;
export default model;
