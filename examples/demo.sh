#!/bin/sh
# The whole of cambench in a few minutes on two CPU cores: make data, train two methods, explain, evaluate, report.
set -eu
export OMP_WAIT_POLICY=PASSIVE  # cores may be shared: threads that wait must not spin
export CAMBENCH_DATA="${CAMBENCH_DATA:-datasets}" CAMBENCH_RESULTS="${CAMBENCH_RESULTS:-results/demo}"
say() { printf '\n$ %s\n' "$*"; "$@"; }

say cambench data make synthbirds
for seed in 0 1 2; do
    say cambench train ce --dataset synthbirds --seed "$seed"
    say cambench train cgc --dataset synthbirds --seed "$seed"
done
say cambench explain --explainer grad-cam
say cambench eval --metric top1 --metric ch --metric iauc
say cambench report --html "$CAMBENCH_RESULTS/report.html"
