// In workers, in the place of what is not part of them: the reference, which runs inline only, and the texts of the
// shaders, which the page sends.
export {};
throw new Error('not part of the worker');
