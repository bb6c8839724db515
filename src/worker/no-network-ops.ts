// In the place of the backends' network-ops.ts in the bundles that run no networks of engine/networks but the upscaler
// and the module.
export const networkOps = (): object => ({});
