#!/bin/sh
# What a Ray job runs: one search in a generated maze. Every variable has a default but OUT.
#   OUT      where the results go; a folder that outlives the job
#   SEED     of the maze and of all noise
#   SPEED    simulated seconds per second; 0: as fast as it goes
#   PROGRAMS folder of turtlebot-maze and its programs
#   ARGS     more arguments for `turtlebot-maze run`
set -eu
: "${OUT:?set OUT to the folder for the results}"
# `exec`, so that Ray's SIGTERM meets turtlebot-maze itself, which ends the graph in the safe order. No shell stays between
# them that could die first.
# ARGS is split into words on purpose.
# shellcheck disable=SC2086
exec "${PROGRAMS:-/opt/turtlebot-maze/lib/turtlebot_maze}/turtlebot-maze" run \
    --sim embedded --seed "${SEED:-1}" --speed "${SPEED:-1}" --out "$OUT" ${ARGS:-}
