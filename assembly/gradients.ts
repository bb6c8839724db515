// The exports of the wasm build for carafe-web/backward. Stateless: exports take byte pointers into the imported memory
// and sizes; backends/wasm/wasm-gradients.ts owns that memory.
export { activationGradient } from './activation-gradient';
export { conv2dGradient } from './conv2d-gradient';
export { normalizerGradient } from './normalizer-gradient';
export { reassembleGradient } from './reassemble-gradient';
