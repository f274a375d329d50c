#!/usr/bin/env bash
# What an HTTP request costs its generator: karga beside wrk, oha, rlt, goose, vegeta, k6, the
# published karga and bare loops, on one nginx. Prints Markdown; ends with status 1 if karga misses
# one of the figures that it has to reach.
set -euo pipefail

readonly OHA_VERSION=1.16.0 VEGETA_VERSION=v12.13.0 K6_VERSION=v1.8.1
readonly CONNECTIONS=32 RATE=5000
# wrk2 is in no registry: microseconds of CPU per request at 5,000/s that it took on two cores of an
# AMD EPYC, and that oha took there.
readonly WRK2_US=26 OHA_US=44

readonly CLOSED=(bare-tokio wrk karga-lean bare-hyper oha rlt bare-reqwest karga-reqwest karga-0.4 goose vegeta k6)
readonly OPEN=(bare-timer karga-coarse karga-fine oha rlt vegeta k6)

usage() {
    cat <<USAGE
usage: scripts/bench-http.sh [--rounds N] [--seconds N] [--only closed|open] [--contenders LIST]

  --rounds N         how often each contender takes its turn; medians are printed (default 5)
  --seconds N        how long a turn lasts (default 5)
  --only PART        closed: as many requests as there can be; open: $RATE per second
  --contenders LIST  these alone, separated by commas; figures that need others are not checked

  closed  ${CLOSED[*]}
  open    ${OPEN[*]}

One nginx worker on core 1 answers 100 bytes; each contender has core 0 and $CONNECTIONS connections.
All contenders take turns in every round; figures to reach are ratios round by round. Leave the
machine alone meanwhile. Needs Linux, two cores, jq, cargo, and for what is measured: Go, and as
root Debian's packages wrk and nginx, which it installs. oha and vegeta come once into .rivals/, k6
into .k6/, the others with the crates in scripts/rivals/.

CPU is user and system time of the whole process. k6 is not charged for its start: that of a run
with one iteration in the same round is taken off. Everything else is in the rivals' favour, too:
vegeta and k6 keep no bodies, rlt has hyper's bare connection as its client, wrk one thread. The
bare loops keep a count and nothing else. Percentiles are what each tool tells: karga's count from
the time when a request was due, those of the others from when they sent it.
USAGE
}

die() { echo "bench-http.sh: $*" >&2; exit "${status:-1}"; }

rounds=5
seconds=5
parts=(closed open)
chosen=
while (($#)); do
    status=2 # of a wrong option
    case $1 in
    --rounds | --seconds)
        [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || die "$1 needs a whole number above 0"
        printf -v "${1#--}" %s "$2"
        shift 2
        ;;
    --only)
        [[ ${2:-} == closed || ${2:-} == open ]] || die "--only needs closed or open"
        parts=("$2")
        shift 2
        ;;
    --contenders)
        [[ -n ${2:-} ]] || die "--contenders needs a list: see --help"
        chosen=,$2,
        IFS=, read -ra names <<<"$2"
        for name in "${names[@]}"; do
            [[ " ${CLOSED[*]} ${OPEN[*]} " == *" $name "* ]] || die "no contender '$name': see --help"
        done
        shift 2
        ;;
    -h | --help) usage; exit ;;
    *) die "unknown option '$1': see --help" ;;
    esac
done

# Prints the contenders of a part that are to be measured.
contenders_of() {
    local all=("${CLOSED[@]}") name
    [[ $1 == closed ]] || all=("${OPEN[@]}")
    for name in "${all[@]}"; do
        [[ -n $chosen && $chosen != *",$name,"* ]] || echo "$name"
    done
}
wanted() { # whether a contender whose name matches the pattern is to be measured
    local part name
    for part in "${parts[@]}"; do
        for name in $(contenders_of "$part"); do
            # shellcheck disable=SC2053 # a pattern
            [[ $name != $1 ]] || return 0
        done
    done
    return 1
}
wanted '*' || die "none of these contenders takes part in: ${parts[*]}"
unset status

cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/local/go/bin
work=$(mktemp -d)
rows=$work/rows.jsonl
nginx_pid=
clean_up() {
    local status=$?
    trap - EXIT
    if [[ -n $nginx_pid ]]; then
        kill "$nginx_pid" 2>/dev/null || true
        wait "$nginx_pid" 2>/dev/null || true
    fi
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- programs -------------------------------------------------------------------------------

packages=()
command -v nginx >/dev/null || packages+=(nginx-light)
! wanted wrk || command -v wrk >/dev/null || packages+=(wrk)
if ((${#packages[@]})); then
    if ((EUID)) || ! command -v apt-get >/dev/null; then
        die "not on PATH: install ${packages[*]}"
    fi
    echo "installing ${packages[*]}" >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2
fi
needed=(cargo jq taskset nginx)
! wanted vegeta && ! wanted k6 || needed+=(go)
for tool in "${needed[@]}"; do
    command -v "$tool" >/dev/null || die "no $tool on PATH: install it"
done
taskset -c 0,1 true || die "this process may not use cores 0 and 1: two are needed"

karga=
if wanted 'karga-[!0]*'; then
    cargo build --release --example http
    # Its path comes from a second call, which builds nothing: the first one shows its errors.
    karga=$(cargo build --quiet --release --example http --message-format=json |
        jq -r 'select(.executable != null and .target.name == "http") | .executable')
fi
target=${CARGO_TARGET_DIR:-$PWD/target}/rivals
build_rival() { cargo build --release --manifest-path scripts/rivals/Cargo.toml --target-dir "$target" -p "$1"; }
# The bare loop also sees to it that the server is what it should be.
build_rival karga-rivals-http
# One by one: built together, the bare loop would get the features that goose asks of reqwest.
! wanted goose || build_rival karga-rivals-goose
rivals=$target/release

oha=$PWD/.rivals/oha-$OHA_VERSION/bin/oha
if wanted oha && [[ ! -x $oha ]]; then
    echo "installing oha $OHA_VERSION into .rivals/" >&2
    # Without the target folder of this project, which would keep what was built for oha.
    env -u CARGO_TARGET_DIR cargo install --locked --version "=$OHA_VERSION" --root "${oha%/bin/oha}" oha
fi
vegeta=$PWD/.rivals/vegeta-$VEGETA_VERSION/vegeta
if wanted vegeta && [[ ! -x $vegeta ]]; then
    echo "installing vegeta $VEGETA_VERSION into .rivals/" >&2
    GOBIN=${vegeta%/*} go install "github.com/tsenart/vegeta/v12@$VEGETA_VERSION"
fi
k6=$PWD/.k6/$K6_VERSION/k6
if wanted k6 && [[ ! -x $k6 ]]; then
    echo "installing k6 $K6_VERSION into .k6/" >&2
    GOBIN=${k6%/*} go install "go.k6.io/k6@$K6_VERSION"
fi

# ---- the server -----------------------------------------------------------------------------

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

port=$((20000 + RANDOM % 12000))
while listens "$port"; do port=$((port + 1)); done
url=http://127.0.0.1:$port/
cat >"$work/nginx.conf" <<NGINX
daemon off;
worker_processes 1;
pid $work/nginx.pid;
error_log $work/nginx.log;
events { worker_connections 1024; }
http {
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path $work/body;
    proxy_temp_path $work/proxy;
    fastcgi_temp_path $work/fastcgi;
    uwsgi_temp_path $work/uwsgi;
    scgi_temp_path $work/scgi;
    default_type text/plain;
    server {
        listen 127.0.0.1:$port;
        location / { return 200 "$(printf 'x%.0s' {1..100})"; }
    }
}
NGINX
taskset -c 1 nginx -e "$work/nginx.log" -c "$work/nginx.conf" &
nginx_pid=$!
for _ in {1..100}; do
    listens "$port" && break
    kill -0 "$nginx_pid" 2>/dev/null || { cat "$work/nginx.log" >&2; die "nginx did not start"; }
    sleep 0.1
done
"$rivals/rivals-http" bare-tokio --url "$url" --seconds 1 >"$work/out"
jq -e '.requests > 0 and .failed == 0' "$work/out" >/dev/null || die "nginx does not answer: $(<"$work/out")"

# ---- measuring ------------------------------------------------------------------------------

# Runs a command on core 0; its output goes to $work/out, its user and system seconds to $cpu.
timed() {
    local TIMEFORMAT='%U %S' status=0
    { time timeout --foreground -k 5 $((seconds * 3 + 30)) taskset -c 0 "$@" \
        </dev/null >"$work/out" 2>"$work/err"; } 2>"$work/time" || status=$?
    cpu=$(awk 'END { print $1 + $2 }' "$work/time")
    return "$status"
}

# Each of these runs one contender and prints its figures as JSON: requests answered with 200,
# failed ones, seconds, p50 and p99 in seconds or null; $cpu is what it took.

run_karga() { # arguments
    # Status 1 is that of a run which is not healthy, or where something failed: its summary tells.
    timed "$karga" --url "$url" --seconds "$seconds" --json "$work/karga.json" "$@" || (($? == 1)) || return
    jq '.scenarios[0] | {
        requests: .succeeded, failed: (.failed + .unknown), seconds: .elapsed,
        p50: .response_time.p50, p99: .response_time.p99,
        note: (if .generator.verdict == "healthy" then null else .generator.verdict end) }' "$work/karga.json"
}

run_wrk() {
    timed wrk -t 1 -c "$CONNECTIONS" -d "${seconds}s" "$url" || return
    awk '
        / requests in / { all = $1 }
        /Requests\/sec:/ { rate = $2 }
        /Non-2xx or 3xx responses:/ { failed += other = $NF }
        /Socket errors:/ { gsub(",", ""); failed += $4 + $6 + $8 + $10 }
        END {
            if (!all) exit 1
            printf "{\"requests\":%d,\"failed\":%d,\"seconds\":%f,\"p50\":null,\"p99\":null}\n",
                all - other, failed, all / rate
        }' "$work/out"
}

run_oha() { # arguments
    timed "$oha" --no-tui --output-format json -w -z "${seconds}s" -c "$CONNECTIONS" "$@" "$url" || return
    jq '(.statusCodeDistribution["200"] // 0) as $ok | {
        requests: $ok,
        failed: (([.statusCodeDistribution[]] | add // 0) - $ok + ([.errorDistribution[]] | add // 0)),
        seconds: .summary.total, p50: .latencyPercentiles.p50, p99: .latencyPercentiles.p99 }' "$work/out"
}

run_vegeta() { # arguments
    echo "GET $url" >"$work/targets"
    timed "$vegeta" attack -targets "$work/targets" -duration "${seconds}s" -max-body 0 \
        -workers "$CONNECTIONS" -max-workers "$CONNECTIONS" -connections "$CONNECTIONS" \
        -output "$work/vegeta.bin" "$@" || return
    "$vegeta" report -type json "$work/vegeta.bin" >"$work/out" || return
    jq '(.status_codes["200"] // 0) as $ok | {
        requests: $ok, failed: (.requests - $ok), seconds: ((.duration + .wait) / 1e9),
        p50: (.latencies["50th"] / 1e9), p99: (.latencies["99th"] / 1e9) }' "$work/out"
}

run_k6() { # scenario
    local start
    cat >"$work/k6.js" <<JS
import http from 'k6/http';
export const options = { discardResponseBodies: true, scenarios: { get: $1 } };
export default function () { http.get('$url'); }
JS
    # No port of its own.
    local k6_run=("$k6" run --quiet --no-usage-report --address '' --summary-trend-stats 'med,p(99)'
        --summary-export "$work/k6.json")
    timed "${k6_run[@]}" --iterations 1 --vus 1 "$work/k6.js" || return
    start=$cpu
    timed "${k6_run[@]}" "$work/k6.js" || return
    cpu=$(awk -v cpu="$cpu" -v start="$start" 'BEGIN { print cpu - start }')
    jq '.metrics | .http_req_failed.passes as $failed | {
        requests: (.http_reqs.count - $failed), failed: $failed, seconds: (.http_reqs.count / .http_reqs.rate),
        p50: (.http_req_duration.med / 1e3), p99: (.http_req_duration["p(99)"] / 1e3) }' "$work/k6.json"
}

run_rival() { # program, arguments
    timed "$rivals/$1" "${@:2}" --url "$url" --connections "$CONNECTIONS" --seconds "$seconds" || return
    tail -n 1 "$work/out" # goose says that its users are there
}

# As they do: a part and a contender.
run_contender() {
    local k6_open="{ executor: 'constant-arrival-rate', rate: $RATE, duration: '${seconds}s',
        preAllocatedVUs: $CONNECTIONS, maxVUs: $CONNECTIONS }"
    case "$1 $2" in
    'closed karga-lean') run_karga --users "$CONNECTIONS" --engine lean ;;
    'closed karga-reqwest') run_karga --users "$CONNECTIONS" --engine reqwest ;;
    'closed wrk') run_wrk ;;
    'closed oha') run_oha ;;
    'closed vegeta') run_vegeta -rate 0 ;;
    'closed k6') run_k6 "{ executor: 'constant-vus', vus: $CONNECTIONS, duration: '${seconds}s' }" ;;
    'closed goose') run_rival rivals-goose ;;
    'closed '*) run_rival rivals-http "$2" ;;
    'open karga-'*) run_karga --rate "$RATE" --workers "$CONNECTIONS" --engine lean --precision "${2#karga-}" ;;
    'open oha') run_oha -q "$RATE" ;;
    'open vegeta') run_vegeta -rate "$RATE/1s" ;;
    'open k6') run_k6 "$k6_open" ;;
    'open rlt' | 'open bare-timer') run_rival rivals-http "$2" --rate "$RATE" ;;
    esac
}

for ((round = 1; round <= rounds; round++)); do
    for part in "${parts[@]}"; do
        for name in $(contenders_of "$part"); do
            echo "round $round of $rounds, $part: $name" >&2
            rm -f "$work"/{out,err,karga.json,k6.json}
            cpu=null
            if run_contender "$part" "$name" >"$work/figures" &&
                jq -e '.requests > 0 and .seconds > 0' "$work/figures" >"$work/verdict"; then
                jq -c --arg part "$part" --arg contender "$name" --argjson cpu "$cpu" \
                    --argjson planned $((RATE * seconds)) '
                    . + { part: $part, contender: $contender, per_second: (.requests / .seconds),
                          cpu_us: ($cpu * 1e6 / .requests),
                          delivered: (if $part == "open" then .requests / $planned else null end) }' "$work/figures"
            else
                {
                    echo "bench-http.sh: $name FAILED"
                    tail -n 20 "$work/err" "$work/out" "$work/figures" 2>/dev/null || true
                } >&2
                jq -nc --arg part "$part" --arg contender "$name" '{ $part, $contender, broken: true }'
            fi | tee -a "$rows" >&2
        done
    done
done

# ---- the medians ----------------------------------------------------------------------------

cat >"$work/report.jq" <<'JQ'
def median: sort | if length == 0 then null
    elif length % 2 == 1 then .[length / 2 | floor]
    else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def digits($n): if . == null then "" else . * pow(10; $n) | round / pow(10; $n) | tostring end;
def values($name): map(.[$name] | select(. != null));
def figure($name): values($name) | median;
def spread($name; $scale; $n): values($name)
    | if length == 0 then "" else "\(min * $scale | digits($n)) to \(max * $scale | digits($n))" end;
def line: "| " + join(" | ") + " |";
# What went wrong, for everybody to see.
def troubles: [
    (map(select(.broken)) | select(length > 0) | "**\(length) runs broke off**"),
    (values("failed") | add // 0 | select(. > 0) | "**\(.) requests failed**"),
    (values("note") | unique[])] | join(", ");
# The rows of each contender in turn.
def of($part): map(select(.part == $part)) | . as $rows
    | reduce .[].contender as $name ([]; if index($name) then . else . + [$name] end)
    | .[] as $name | $rows | map(select(.contender == $name));
def scaled($by): if . == null then null else . * $by end;
def closed:
    (map(select(.part == "closed" and .contender == "wrk")) | figure("cpu_us")) as $wrk
    | "Closed loop, \($connections) connections, medians of \($rounds) rounds of \($seconds) s\n",
      (["contender", "requests/s", "least to most", "CPU per request, us", "least to most", "to wrk's", "troubles"] | line),
      "|---|--:|--:|--:|--:|--:|---|",
      (of("closed") | figure("cpu_us") as $cpu | [.[0].contender, (figure("per_second") | digits(0)), spread("per_second"; 1; 0),
          ($cpu | digits(2)), spread("cpu_us"; 1; 2),
          (if $cpu and $wrk then $cpu / $wrk | digits(2) else "" end), troubles] | line), "";
def open:
    "Open loop, \($rate) requests/s, medians of \($rounds) rounds of \($seconds) s\n",
    (["contender", "delivered, %", "least to most", "CPU per request, us", "least to most", "p50, ms", "p99, ms", "troubles"] | line),
    "|---|--:|--:|--:|--:|--:|--:|---|",
    (of("open") | [.[0].contender, (figure("delivered") | scaled(100) | digits(1)), spread("delivered"; 100; 1),
        (figure("cpu_us") | digits(2)), spread("cpu_us"; 1; 2),
        (figure("p50") | scaled(1000) | digits(3)), (figure("p99") | scaled(1000) | digits(3)), troubles] | line),
    (["wrk2 (elsewhere)", "", "", $wrk2, "", "", "", ""] | map(tostring) | line), "";
# A figure to reach: `ours` to `theirs`, which is a contender or a number.
# Two contenders are compared round by round, and the median of their ratios counts: a shared
# machine has slower and faster minutes, which both of a round had.
def ratio($check):
    def values_of($name): map(select(.part == $check.part and .contender == $name) | .[$check.figure]);
    values_of($check.ours) as $ours
    | if ($check.theirs | type) == "number" then [$ours[] | select(. != null) | . / $check.theirs]
      else values_of($check.theirs) as $theirs
          | [range($ours | length) | select($ours[.] != null and $theirs[.] != null) | $ours[.] / $theirs[.]]
      end
    | median;
def checks: [
    { part: "closed", ours: "karga-lean", theirs: "wrk", figure: "cpu_us", most: 1 },
    { part: "closed", ours: "karga-lean", theirs: "wrk", figure: "per_second", least: 0.95 },
    { part: "closed", ours: "karga-reqwest", theirs: "bare-reqwest", figure: "cpu_us", most: 1.1 },
    { part: "open", ours: "karga-coarse", theirs: $wrk2, of: "wrk2", figure: "cpu_us", most: 1 },
    { part: "open", ours: "karga-fine", theirs: $oha, of: "oha", figure: "cpu_us", most: 1 },
    { part: "open", ours: "karga-coarse", theirs: 1, figure: "delivered", least: 0.999 },
    { part: "open", ours: "karga-fine", theirs: 1, figure: "delivered", least: 0.999 }];
def name: { cpu_us: "CPU per request", per_second: "requests/s", delivered: "share of the rate delivered" }[.];
. as $rows
| ([.[] | .part + " " + .contender] | unique) as $took_part
| [checks[] | . as $check
    # Only what was left out by choice is not checked.
    | select(all(.ours, (.theirs | strings); "\($check.part) \(.)" as $one | $took_part | index($one) != null))
    | .ratio = ($rows | ratio($check))
    | .troubles = ($rows | map(select(.part == $check.part and .contender == $check.ours and (.broken or .failed > 0))) | length)
    | .reached = (.ratio != null and .troubles == 0 and (.most == null or .ratio <= .most) and (.least == null or .ratio >= .least))
] as $checked
| if $want == "status" then $checked | all(.reached)
  else
    (if any(.part == "closed") then closed else empty end),
    (if any(.part == "open") then open else empty end),
    (if ($checked | length) > 0 then
        (["to reach", "wanted", "measured", ""] | line), "|---|--:|--:|---|",
        ($checked[] | [
            "\(.part): \(.figure | name), \(.ours)" + if .figure == "delivered" then ""
                elif .of then " to \(.of), \(.theirs) us elsewhere" else " to \(.theirs)" end,
            (if .most then "at most \(.most)" else "at least \(.least)" end),
            (if .ratio == null then "nothing" else .ratio | digits(3) end),
            (if .reached then "reached" elif .troubles > 0 then "**MISSED**: it had troubles" else "**MISSED**" end)] | line)
     else empty end)
  end
JQ
report() {
    jq -rs --arg want "$1" --argjson connections "$CONNECTIONS" --argjson rate "$RATE" --argjson rounds "$rounds" \
        --argjson seconds "$seconds" --argjson wrk2 "$WRK2_US" --argjson oha "$OHA_US" -f "$work/report.jq" "$rows"
}
report tables
[[ $(report status) == true ]] || die "karga MISSED a figure that it has to reach: see the last table"
