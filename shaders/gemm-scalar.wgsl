// gemm.wgsl on x as values, any number of input channels, either layout: for entry points that read x either way.
// requires: gemm

fn tileSums(tile: Tile, a: u32, b: u32, two: bool) -> Sums {
  return sumScalar(tile, a, b, two);
}
