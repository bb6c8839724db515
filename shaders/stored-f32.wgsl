// Tensors are stored as f32. Types are what `override` constants cannot choose.

alias Stored = f32;
alias Stored2 = vec2f;
alias Stored4 = vec4f;
const SECTOR = 2u; // Stored4 in 32 bytes, the least that a GPU fetches
