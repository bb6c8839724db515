// In the place of operator-ops.ts and network-ops.ts in the bundles that never run their ops.
const none = (): object => ({});
export { none as networkOps, none as operatorOps };
