#!/bin/bash
# bash repeat.sh MODEL: trains a model of ../models/ again by the commands of its card, one after the other. Interrupted, the same command
# goes on where it was. The images are BSDS400/, wallpapers/, extra/ and
# run/carry/ in this folder (README.md says where they come from), or links to them.
set -eo pipefail
cd "$(dirname "$0")"

# Shares of the patches: the first models', those with CID22 and CLIC 2025, those with the new wallpapers, and the strong ends'.
shares() { echo "--data BSDS400=$1 --data extra/shrunk=$2 --data extra/wallpapers=$3 --data extra/clipart=$4 --data extra/text=$5 --cache run/cache"; }
mix() { echo "--data BSDS400=$1 --data extra/cid22=$2 --data extra/clic=$3 --data extra/shrunk=$4 --data extra/clipart=$5 --data extra/text=$6 --cache run/cache"; }
all() { echo "--data BSDS400=$1 --data extra/cid22=$2 --data wallpapers=$3 --data extra/clic=$4 --data extra/clipart=$5 --data extra/ink=$6 --data extra/text=$7 --cache run/cache"; }
fine() { echo "--data BSDS400=$1 --data extra/cid22=$2 --data extra/clic=$3 --data wallpapers=$4 --data run/carry/images/clipart=$5 --data run/carry/images/text=$6 --loss psnr --cache run/cache"; }
photographs() { echo "--data BSDS400=$1 --data extra/cid22=$2 --loss psnr --strong --cache run/cache"; }
strong() { echo "--data BSDS400=$1 --data extra/cid22=$2 --data wallpapers=$3 --data run/carry/images/clipart=$4 --data run/carry/images/text=$5 --loss psnr --strong --cache run/cache"; }
python3() { echo "+ python3 $*"; /usr/bin/python3 "$@"; } # Debian's, which has Debian's torch

commands=$(sed -n '/^```sh$/,/^```$/ { /^```/d; p }' "../models/$1.md")
eval "$commands"
