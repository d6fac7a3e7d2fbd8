#!/bin/sh
# timed.sh NAME COMMAND...: runs the command, then says how long it took. The exit status is the command's.
name=$1
shift
start=$(date +%s)
"$@"
status=$?
seconds=$(($(date +%s) - start))
printf '%s: %d min %d s\n' "$name" $((seconds / 60)) $((seconds % 60)) >&2
exit $status
