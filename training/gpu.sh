#!/bin/bash
# bash gpu.sh FOLDER OUT SECONDS [options of gpu.py]: all networks on one GPU. A process that fails goes on from its last checkpoint with
# less that could fail: then without half precision and channels last, then without graphs.
cd "$(dirname "$0")"
folder=$1 out=$2 seconds=$3
shift 3
mkdir -p "$out"
for care in '' --plain --safe --safe; do
  python3 -u gpu.py --images "$folder/images" --models "$folder/models" --out "$out" --seconds "$seconds" $care "$@" >> "$out/stdout.log" 2>&1 && break
  echo "gpu.py ended with $?" >> "$out/stdout.log"
done
echo DONE >> "$out/stdout.log"
