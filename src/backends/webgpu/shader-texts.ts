// What a GPU compiles: a chunk of the page, loaded where there may be a GPU, and not part of workers, to which it is sent.
export { default } from '../../../shaders?texts';
