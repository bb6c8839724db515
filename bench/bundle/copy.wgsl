// What memory gives: every invocation copies vectors of 16 bytes, far apart, so that neighbours read neighbours.
@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> copied: array<vec4f>;

@compute @workgroup_size(256)
fn copy(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let step = groups.x * 256;
  let length = arrayLength(&source);
  for (var i = id.x; i < length; i += step) {
    copied[i] = source[i];
  }
}
