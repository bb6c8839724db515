#!/usr/bin/env bash
# run.sh [--small | --brief] [--seconds n] [--out folder] [part ...]: runs the bundle on this machine. Parts by the beginning of their names
# (--list names them) in the order given; without any, all. --brief: less of each; --small: for software adapters; --seconds: of all parts, 345.
# Results: results.json, results.md, log.txt in the folder ($OUT, else ./carafe-results).
# The runtime (heavy/) is unpacked once, into $CARAFE_BUNDLE (else /tmp/carafe-bundle); the code (light/) is copied there each time.
set -u
PATH=$PATH:/sbin:/usr/sbin
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=${CARAFE_BUNDLE:-/tmp/carafe-bundle}
mkdir -p "$work" || exit 1

heavy=$here/../heavy
if [ -f "$heavy/stamp" ] && ! cmp -s "$heavy/stamp" "$work/stamp" 2>/dev/null || [ ! -x "$work/node" ]; then
  archive=$(ls "$heavy"/runtime.tar* 2>/dev/null | head -1)
  [ -n "$archive" ] || { echo "Expected the runtime in $work or $heavy"; exit 1; }
  echo "unpacking $archive"
  tar -xf "$archive" -C "$work" 2>/dev/null ||
    python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$archive" "$work" || exit 1
  cp "$heavy/stamp" "$work/stamp"
fi
rm -rf "$work/app" && cp -r "$here/app" "$work/app" || exit 1

# Libraries that this machine lacks; those it has are its own.
rm -rf "$work/lib-used" && mkdir "$work/lib-used"
for file in "$work"/lib/*; do
  name=$(basename "$file")
  if ldconfig -p 2>/dev/null | grep -q "[[:space:]]$name "; then continue; fi
  echo "bringing $name"
  cp "$file" "$work/lib-used/"
done
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$work/lib-used"
for folder in /usr/local/nvidia/lib64 /usr/local/nvidia/lib /usr/lib/nvidia; do # where containers mount the driver
  if [ -d "$folder" ]; then LD_LIBRARY_PATH=$LD_LIBRARY_PATH:$folder; fi
done
export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-$work/runtime-dir} && mkdir -p "$XDG_RUNTIME_DIR" && chmod 700 "$XDG_RUNTIME_DIR"

"$work/node" --version >/dev/null || { echo "Node does not start"; ldd "$work/node"; exit 1; }
main() { "$work/node" "$work/app/code/main.js" "$@"; }
case " $* " in *" --list "*) main --list; exit ;; esac

# A Vulkan driver: what the environment or the loader finds, else any driver file; a software adapter only if there is nothing else.
try() {
  found=$(timeout 60 "$work/node" "$work/app/code/main.js" --adapter 2>&1 | tail -3)
  echo "adapter with ${VK_DRIVER_FILES:-${VK_ICD_FILENAMES:-the default drivers}}: $found"
  case $found in *'"software":false'*) return 0 ;; *) return 1 ;; esac
}
try_files() {
  for file in "$@"; do
    [ -e "$file" ] || continue
    export VK_DRIVER_FILES=$file
    if try; then return 0; fi
    unset VK_DRIVER_FILES
  done
  return 1
}
find_driver() {
  if try; then return 0; fi
  if [ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ]; then return 0; fi # it was asked for
  usual=default
  case $found in *'"software"'*) ;; *) usual= ;; esac
  try_files /usr/local/nvidia/share/vulkan/icd.d/*nvidia*.json /usr/share/vulkan/icd.d/*nvidia*.json /etc/vulkan/icd.d/*nvidia*.json && return 0
  library=$(ldconfig -p | sed -n 's/.*=> \(.*lib\(GLX\|EGL\)_nvidia\.so\.0\)$/\1/p' | head -1)
  library=${library:-$(ls /usr/local/nvidia/lib*/libGLX_nvidia.so.0 /usr/lib/x86_64-linux-gnu/libGLX_nvidia.so.0 2>/dev/null | head -1)}
  if [ -n "$library" ]; then # a driver without its file
    printf '{"file_format_version":"1.0.0","ICD":{"library_path":"%s","api_version":"1.3.0"}}' "$library" >"$work/nvidia.json"
    try_files "$work/nvidia.json" && return 0
    ldd "$library" | grep 'not found'
  fi
  try_files $(find / -xdev -name '*nvidia_icd*.json' -not -path '/proc/*' 2>/dev/null) && return 0
  echo "No adapter of a real GPU. Driver files: $(find / -xdev -path '*vulkan/icd.d/*.json' 2>/dev/null | tr '\n' ' ')"
  ldconfig -p | grep -iE 'vulkan|nvidia' | head -20
  [ -n "$usual" ]
}
find_driver || exit 1

main ${OUT:+--out "$OUT"} "$@"
