# opening.sh: what the scripts that test a bfopt from outside begin with, read by them (`. tests/opening.sh`).
# $1 is the build.  Sets $bfopt, $work (a folder that goes when the script ends) and the two counts; the
# present folder becomes the project's.
set -u
bfopt=$(cd "$1" && pwd)/bfopt
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT INT TERM
passed=0
failed=0
