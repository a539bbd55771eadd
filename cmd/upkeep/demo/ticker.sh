#!/bin/sh
# Prints a line every few seconds: the simplest service there is.
n=0
while :; do
	n=$((n + 1))
	echo "tick $n at $(date +%H:%M:%S)"
	sleep 3
done
