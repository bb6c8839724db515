// resize.wgsl on 4 channels at a time.
// requires: resize

alias Value = vec4f;
alias StoredValue = Stored1Vec4; // and that of y, which has as many channels
