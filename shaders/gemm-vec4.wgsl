// gemm.wgsl on x as vectors of 4 input channels: for entry points that read x either way.
// requires: gemm

fn tileSums(tile: Tile, a: u32, b: u32, two: bool) -> Sums {
  return sumVec4(tile, a, b, two);
}
