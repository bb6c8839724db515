// resize.wgsl on 4 channels at a time.
// requires: resize

alias Value = vec4f;
alias StoredValue = Stored4;
