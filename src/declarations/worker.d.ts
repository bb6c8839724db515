// carafe-web/worker: a script for the option `workerUrl`; it exports nothing.
export {};
