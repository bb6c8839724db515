// carafe-web/models/*.safetensors: what bundlers that are told to load such files as data make of an import. For the
// option `model`.
declare const model: ArrayBuffer;
export default model;
