#!/bin/sh
# Runs a job again and again, as cron does, until it is told to stop: every.sh SECONDS JOB
set -u
trap 'exit 0' TERM INT
while :; do
    "$2" || echo "$2 failed"
    sleep "$1"
done
