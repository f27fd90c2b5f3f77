#!/bin/sh
# Runs a compiler and keeps what it says beside the object, in OBJECT.log: keep-log.sh COMPILER ARGUMENT...
for argument in "$@"; do
  [ "$previous" = -o ] && object=$argument
  previous=$argument
done
"$@" >"$object.log" 2>&1
status=$?
cat "$object.log" >&2
exit $status
