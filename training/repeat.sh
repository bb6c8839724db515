#!/bin/bash
# bash repeat.sh MODEL: trains a model of ../models/ again by the commands of its card, one after the other. Interrupted, the same command
# goes on where it was. The images are BSDS400/ and extra/ in this folder (README.md says where they come from), or links to them.
set -eo pipefail
cd "$(dirname "$0")"

# Shares of the patches: the first models', and those with CID22 and CLIC 2025.
shares() { echo "--data BSDS400=$1 --data extra/shrunk=$2 --data extra/wallpapers=$3 --data extra/clipart=$4 --data extra/text=$5 --cache run/cache"; }
mix() { echo "--data BSDS400=$1 --data extra/cid22=$2 --data extra/clic=$3 --data extra/shrunk=$4 --data extra/clipart=$5 --data extra/text=$6 --cache run/cache"; }
python3() { echo "+ python3 $*"; /usr/bin/python3 "$@"; } # Debian's, which has Debian's torch

commands=$(sed -n '/^```sh$/,/^```$/ { /^```/d; p }' "../models/$1.md")
eval "$commands"
