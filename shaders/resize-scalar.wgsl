// resize.wgsl on one channel at a time.
// requires: resize

alias Value = f32;
alias StoredValue = Stored1; // and that of y, which has as many channels
