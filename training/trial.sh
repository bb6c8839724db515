#!/bin/bash
# bash trial.sh IMAGES MORE OUT SECONDS GO [options of trial.py]: trial.py on a GPU, prepared until the file GO is there, SECONDS after that at its end. A process
# that fails begins again with what is left, one seed and nothing that could fail.
cd "$(dirname "$0")"
images=$1 more=$2 out=$3 seconds=$4 go=$5
shift 5
mkdir -p "$out"
for care in '' '--safe --seeds 1'; do
  left=$seconds
  [ -e "$go" ] && left=$((seconds - $(date +%s) + $(stat -c %Y "$go") - 25))
  python3 -u trial.py --images "$images" --more "$more" --out "$out" --seconds "$left" --wait "$go" $care "$@" >> "$out/stdout" 2>&1 && break
  echo "trial.py ended with $?" >> "$out/stdout"
done
echo DONE >> "$out/stdout"
