// What is compared with is installed only where it is compared with.
declare module 'onnxruntime-node';
declare module 'onnxruntime-web';
declare module 'pica';
