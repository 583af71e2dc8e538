#!/bin/sh
# A small processor, as somebody might have one: a line without a number is an
# error. Usage: engine.sh CONFIG DATA OUT LANG EXECUTION --sender=SENDER
set -eu
config=$1 data=$2 out=$3

grep -q '^sage_yaml:' "$config" || {
  echo 'sage_yaml is missing' >&2
  exit 2
}
records=$(($(wc -l <"$data") - 1))
errors=$(tail -n +2 "$data" | grep -vc '^[0-9]*$') || true
[ "$errors" = 0 ] && status=Éxito || status=Fallido

# Everything in a folder of this execution, with a copy of what went in.
mkdir "$out/$5"
cd "$out/$5"
cp "$config" input.yaml
cp "$data" "data.${data##*.}"
printf '%s\n' "$@" >arguments.txt
env | sort >environment.txt
cat >report.json <<JSON
{"summary": {"total_records": $records, "errors": $errors, "warnings": 0, "success_rate": 1, "status": "$status"}}
JSON
echo "checked $(basename "$data")"
[ "$errors" = 0 ]
