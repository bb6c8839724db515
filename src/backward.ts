// The entry `carafe-web/backward`: gradients of the operator and of the module.
export { carafeBackward, createCarafe, type TrainableCarafe } from './api/backward.js';
export type { CarafeGradients, ConvGradients } from './engine/backward.js';
