// In the place of the reference in the worker, which never runs it (api/options.ts).
export {};
throw new Error('the worker has no reference');
