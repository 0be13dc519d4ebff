#!/bin/sh
# The whole of cambench in a few minutes on two CPU cores: make data, train two methods, explain, evaluate, report.
set -eu
export OMP_WAIT_POLICY=PASSIVE  # cores may be shared: threads that wait must not spin
export OMP_NUM_THREADS=1  # a network this small gains nothing from a second core, so two trainings share the two
export CAMBENCH_DATA="${CAMBENCH_DATA:-datasets}" CAMBENCH_RESULTS="${CAMBENCH_RESULTS:-results/demo}"
trap 'trap - INT TERM; kill 0' INT TERM  # what runs in the background does not hear of Ctrl-C
say() { printf '\n$ %s\n' "$*"; "$@"; }
train() { say cambench train "$1" --dataset synthbirds --seed "$2"; }

say cambench data make synthbirds
mkdir -p "$CAMBENCH_RESULTS"
log="$CAMBENCH_RESULTS/second-core.log"
echo "(on the other core at the same time: cgc with seed 2, ce with seeds 0, 1, 2)"
(train cgc 2; train ce 0; train ce 1; train ce 2) >"$log" 2>&1 &
other=$!
trap 'kill "$other" 2>/dev/null || true' EXIT
train cgc 0
train cgc 1
wait "$other" || { cat "$log"; exit 1; }
cat "$log"
say cambench explain --explainer grad-cam
say cambench eval --metric top1 --metric ch --metric iauc
say cambench report --html "$CAMBENCH_RESULTS/report.html"
