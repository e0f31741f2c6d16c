#!/usr/bin/env bash
# heliograph beside RabbitMQ web_stomp and NATS over WebSocket, in one run, as ratios.
#   benches/versus.sh one_of_10k [--rounds N]     one binding beside the same among 10,000 of others
#   benches/versus.sh [options of versus.py, such as --rounds 3 --scenarios one2one_auto,fanout_50 --out FILE]
# Needs the neutral load generator (versus.py) in ../shared/bench or in $BENCH_DIR; rabbitmq-server and
# nats-server where they are to be compared with.  Login, tenancy and validation are on.  VENV: another environment
# than .venv, whose interpreter then runs our server; the generator's is the same for all.
set -euo pipefail
cd "$(dirname "$0")/.."
bench=${BENCH_DIR:-../shared/bench}
[[ -f $bench/versus.py ]] || { echo "no load generator in $bench; set BENCH_DIR" >&2; exit 2; }
venv=${VENV:-.venv}
folder=$(mktemp -d)
"$venv/bin/heliograph" serve --apply benches/directory.toml --data-dir "$folder/data" --stomp-port 0 --http-port 0 --log-level warning \
  >"$folder/out" 2>"$folder/err" &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null; cat "$folder/err" >&2; rm -rf "$folder"' EXIT
for _ in $(seq 100); do grep -q ws:// "$folder/out" && break; sleep 0.1; done
url=$(grep -o 'ws://[^ ,]*' "$folder/out")
if [[ ${1:-} == one_of_10k ]]; then
  shift
  BENCH_DIR=$bench .venv/bin/python benches/one_of_10k.py --url "$url" \
    --basic partner@bench.example:bench-partner-password --pub-basic bench:bench-system-secret "$@"
  exit
fi
.venv/bin/python "$bench/versus.py" --url "$url" --pid "$server" \
  --basic partner@bench.example:bench-partner-password --pub-basic bench:bench-system-secret "$@"
