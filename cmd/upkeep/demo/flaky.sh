#!/bin/sh
# Works for a while, then fails, as a program does whose database goes away now and then.
echo "connecting to the database"
sleep 5
echo "connected; working"
i=0
while [ $i -lt 40 ]; do
	i=$((i + 1))
	sleep 2
	echo "job $i done"
done
echo "database: connection refused" >&2
exit 1
