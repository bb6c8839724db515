// Tensors are stored as f16; shaders compute in f32.

enable f16;
alias Stored = f16;
alias Stored2 = vec2h;
alias Stored4 = vec4h;
const SECTOR = 4u; // Stored4 in 32 bytes, the least that a GPU fetches
