#!/usr/bin/env bash
# What an iteration costs that does nothing: karga's executors beside rlt and k6. Prints Markdown.
set -euo pipefail

readonly K6_VERSION=v1.8.1

usage() {
    cat <<'USAGE'
usage: scripts/bench-executors.sh [--rounds N] [--seconds N]

  --rounds N    how often each contender takes its turn; medians are printed (default 5)
  --seconds N   how long k6 runs in each round (default 5)

8 users in a closed loop, whose iterations do nothing; nanoseconds of CPU per iteration. All
contenders take turns in every round. Needs Go, jq and cargo. k6 comes once, from the Go module
proxy, into .k6/; rlt comes with the crate in scripts/rivals/.

  karga, rlt  user and system time of the process during the run (scripts/rivals/src/main.rs);
              karga with full histograms
  k6          an empty default function under constant-vus: user and system time of the whole
              process, less that of a run with one iteration in the same round: its start is not
              charged to the iterations. It runs JavaScript, which is part of the price.
USAGE
}

rounds=5
seconds=5
while (($#)); do
    case $1 in
    --rounds | --seconds)
        [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || { echo "bench-executors.sh: $1 needs a whole number above 0" >&2; exit 2; }
        printf -v "${1#--}" %s "$2"
        shift 2
        ;;
    -h | --help) usage; exit ;;
    *) echo "bench-executors.sh: unknown option '$1': see --help" >&2; exit 2 ;;
    esac
done

cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/local/go/bin
for tool in cargo go jq; do
    command -v "$tool" >/dev/null || { echo "bench-executors.sh: no $tool on PATH: install it" >&2; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rows=$work/rows.tsv

k6=$PWD/.k6/$K6_VERSION/k6
if [[ ! -x $k6 ]]; then
    echo "installing k6 $K6_VERSION into .k6/" >&2
    GOBIN=${k6%/*} go install "go.k6.io/k6@$K6_VERSION"
fi
target=${CARGO_TARGET_DIR:-$PWD/target}/rivals
cargo build --release --manifest-path scripts/rivals/Cargo.toml --target-dir "$target"

cat >"$work/no-op.js" <<JS
export const options = { scenarios: { noop: { executor: 'constant-vus', vus: 8, duration: '${seconds}s' } } };
export default function () {}
JS

# Runs k6 with the arguments; prints its CPU in nanoseconds and its iterations.
run_k6() {
    local TIMEFORMAT='%U %S' user system
    # No port of its own, and nothing goes over the network.
    { time "$k6" run --quiet --no-usage-report --address '' --summary-export "$work/k6.json" "$@" \
        "$work/no-op.js" >"$work/k6.log" 2>&1; } 2>"$work/time" || {
        cat "$work/k6.log" >&2
        return 1
    }
    read -r user system <"$work/time"
    awk -v user="$user" -v system_="$system" -v n="$(jq .metrics.iterations.count "$work/k6.json")" \
        'BEGIN { printf "%.0f %d\n", (user + system_) * 1e9, n }'
}

for ((round = 1; round <= rounds; round++)); do
    echo "round $round of $rounds" >&2
    "$target/release/karga-rivals" >>"$rows"
    read -r start _ < <(run_k6 --iterations 1 --vus 1)
    read -r cpu iterations < <(run_k6)
    awk -v cpu="$cpu" -v start="$start" -v n="$iterations" -v version="$K6_VERSION" \
        'BEGIN { printf "k6 %s, constant-vus\t%.1f\n", version, (cpu - start) / n }' >>"$rows"
done

echo "| contender | CPU per iteration, median of $rounds | least | most |"
echo "|---|--:|--:|--:|"
awk -F'\t' '!seen[$1]++ { print $1 }' "$rows" | while IFS= read -r name; do
    awk -F'\t' -v name="$name" '$1 == name { print $2 }' "$rows" | sort -n | awk -v name="$name" '
        { each[NR] = $1 }
        END { printf "| %s | %.0f ns | %.0f | %.0f |\n", name, (each[int((NR + 1) / 2)] + each[int(NR / 2) + 1]) / 2, each[1], each[NR] }'
done
