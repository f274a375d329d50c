#!/usr/bin/env bash
# karga's Kafka client beside Kafka's own perf tools, rskafka and a bare socket, on one real Kafka;
# then the embedded broker beside the real one under the same load. Prints Markdown.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/bench-kafka.sh [--rounds N] [--messages N]

  --rounds N     how often each contender takes its turn; medians are printed (default 5)
  --messages N   100-byte records of one measurement (default 5000000, some 550 MB of log each)

Starts an Apache Kafka on a free port (scripts/kafka.sh) and stops it again. All contenders take
turns in every round. Leave the machine alone meanwhile. Needs jq, and what scripts/kafka.sh needs.

How the Java tools are measured, everything in their favour:
  messages/s  what the tool itself reports at its end; for reading fetch.nMsg.sec, which leaves the
              join of the consumer group out
  CPU         user and system time of the whole process, less that of a run with one message in the
              same round: starting a JVM is not charged to the messages
The Rust contenders: wall and CPU time of their process from the first request to the last answer.
Broker CPU is user and system time of the broker's process during the whole run of a contender.
USAGE
}

rounds=5
messages=5000000
while (($#)); do
    case $1 in
    --rounds | --messages)
        [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || { echo "bench-kafka.sh: $1 needs a whole number above 0" >&2; exit 2; }
        printf -v "${1#--}" %s "$2"
        shift 2
        ;;
    -h | --help) usage; exit ;;
    *) echo "bench-kafka.sh: unknown option '$1': see --help" >&2; exit 2 ;;
    esac
done

cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v jq >/dev/null || { echo "bench-kafka.sh: no jq on PATH: install it" >&2; exit 1; }
work=$(mktemp -d)
rows=$work/rows.jsonl
kafka_port=
embedded_pid=
clean_up() {
    local status=$?
    trap - EXIT
    if [[ -n $embedded_pid ]]; then
        kill "$embedded_pid" 2>/dev/null || true
        wait "$embedded_pid" 2>/dev/null || true
    fi
    [[ -z $kafka_port ]] || scripts/kafka.sh stop --port "$kafka_port" || true
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- measuring ------------------------------------------------------------------------------

ticks=$(getconf CLK_TCK)
# Seconds of CPU that a process has used so far. Its name, in parentheses, has no spaces.
cpu_of() { awk -v hz="$ticks" '{ print ($14 + $15) / hz }' "/proc/$1/stat"; }

# Runs a command; its output goes to $work/out, its user and system seconds to $cpu.
timed() {
    local TIMEFORMAT='%U %S'
    { time "$@" >"$work/out" 2>"$work/err"; } 2>"$work/time" || {
        tail -n 20 "$work/err" "$work/out" >&2
        echo "bench-kafka.sh: $* failed" >&2
        exit 1
    }
    cpu=$(awk '{ print $1 + $2 }' "$work/time")
}

# java_row BENCH CASE RATE CPU BASELINE BROKER_CPU
java_row() {
    jq -nc --arg bench "$1" --arg case "$2" --argjson messages "$messages" --argjson rate "$3" \
        --argjson cpu "$4" --argjson baseline "$5" --argjson broker "$6" '
        { bench: $bench, case: $case, per_second: $rate,
          cpu_us_per_message: (($cpu - $baseline) * 1e6 / $messages),
          cpu_us_with_start: ($cpu * 1e6 / $messages),
          broker_us_per_message: ($broker * 1e6 / $messages) }' | tee -a "$rows"
}

# rust_row BROKER_PID PROGRAM CASE [BENCH]: one round of one contender, the broker's CPU beside it.
rust_row() {
    local before after
    before=$(cpu_of "$1")
    KARGA_BENCH_ROUNDS=1 KARGA_BENCH_MESSAGES=$messages "$2" "$3" >"$work/out"
    after=$(cpu_of "$1")
    jq -c --arg bench "${4:-}" --argjson broker "$(awk "BEGIN { print $after - $before }")" '
        . + { broker_us_per_message: ($broker * 1e6 / .messages) }
        | if $bench == "" then . else .bench = $bench end' <(grep '^{' "$work/out") | tee -a "$rows"
}

producer() { # topic, messages
    timed scripts/kafka.sh tool ProducerPerformance --topic "$1" --num-records "$2" --record-size 100 \
        --throughput -1 --producer-props "bootstrap.servers=$kafka" acks=all batch.size=131072 linger.ms=5
}

consumer() { # topic, messages
    timed scripts/kafka.sh tool ConsumerPerformance --bootstrap-server "$kafka" --topic "$1" \
        --messages "$2" --hide-header
}

# ---- programs and broker --------------------------------------------------------------------

echo "building" >&2
bench_program() {
    cargo bench --quiet --no-run --bench "$1" --message-format=json |
        jq -r --arg name "$1" 'select(.executable != null and .target.name == $name) | .executable'
}
produce=$(bench_program kafka_produce)
fetch=$(bench_program kafka_fetch)
rivals=$(bench_program kafka_rivals)
embedded=$(cargo build --quiet --release -p karga-kafka-testbed --example broker --message-format=json |
    jq -r 'select(.executable != null and .target.name == "broker") | .executable')

kafka=$(scripts/kafka.sh start --port 0)
kafka_port=${kafka##*:}
export KARGA_KAFKA=$kafka
eval "$(scripts/kafka.sh env --port "$kafka_port")"
kafka_pid=$KARGA_KAFKA_PID

# ---- the rounds -----------------------------------------------------------------------------

for ((round = 1; round <= rounds; round++)); do
    echo "round $round of $rounds" >&2
    topic=bench-java-$round
    producer "$topic-start" 1
    baseline=$cpu
    before=$(cpu_of "$kafka_pid")
    producer "$topic" "$messages"
    after=$(cpu_of "$kafka_pid")
    # "5000000 records sent, 360123.4 records/sec (34.3 MB/sec), ..."
    rate=$(awk -F', ' '/records sent/ { last = $2 } END { split(last, part, " "); print part[1] }' "$work/out")
    java_row "produce 100 B" kafka-producer-perf-test "$rate" "$cpu" "$baseline" \
        "$(awk "BEGIN { print $after - $before }")"
    rust_row "$kafka_pid" "$produce" rskafka
    rust_row "$kafka_pid" "$produce" karga

    consumer "$topic" 1
    baseline=$cpu
    before=$(cpu_of "$kafka_pid")
    consumer "$topic" "$messages"
    after=$(cpu_of "$kafka_pid")
    # start, end, MB, MB/s, messages, messages/s, rebalance ms, fetch ms, fetch MB/s, fetch messages/s
    rate=$(awk -F', ' 'NF == 10 { last = $10 } END { print last }' "$work/out")
    java_row "fetch 100 B" kafka-consumer-perf-test "$rate" "$cpu" "$baseline" \
        "$(awk "BEGIN { print $after - $before }")"
    KARGA_BENCH_TOPIC=$topic rust_row "$kafka_pid" "$fetch" rskafka
    KARGA_BENCH_TOPIC=$topic rust_row "$kafka_pid" "$fetch" karga
    scripts/kafka.sh tool TopicCommand --bootstrap-server "$kafka" --delete --topic "$topic.*"

    # One request in flight: its program takes turns by itself.
    KARGA_BENCH_ROUNDS=4 "$rivals" | grep '^{' | tee -a "$rows"
done

echo "the embedded broker" >&2
for ((round = 1; round <= rounds; round++)); do
    rust_row "$kafka_pid" "$produce" karga "the same load on Apache Kafka"
    port=$((20000 + RANDOM % 12000))
    "$embedded" --port "$port" >"$work/embedded" 2>&1 &
    embedded_pid=$!
    for _ in {1..100}; do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
        kill -0 "$embedded_pid" || { cat "$work/embedded" >&2; exit 1; }
        sleep 0.1
    done
    KARGA_KAFKA=127.0.0.1:$port rust_row "$embedded_pid" "$produce" karga "the same load on the embedded broker"
    kill "$embedded_pid"
    wait "$embedded_pid" 2>/dev/null || true
    embedded_pid=
done

# ---- the medians ----------------------------------------------------------------------------

jq -rs '
    def median: sort | if length == 0 then null
        elif length % 2 == 1 then .[length / 2 | floor]
        else (.[length / 2 - 1] + .[length / 2]) / 2 end;
    def digits($n): if . == null then "" else . * pow(10; $n) | round / pow(10; $n) | tostring end;
    def figure($name): map(.[$name] | select(. != null)) | median;
    (["measured", "contender", "messages/s", "CPU per message, us", "with its start, us",
      "broker CPU per message, us", "p50, us", "p99, us"] | "| " + join(" | ") + " |"),
    "|---|---|--:|--:|--:|--:|--:|--:|",
    (group_by(.bench)[] | group_by(.case)[]
        | "| \(.[0].bench) | \(.[0].case) | \(figure("per_second") | digits(0)) | \(figure("cpu_us_per_message") | digits(3)) | \(figure("cpu_us_with_start") | digits(3)) | \(figure("broker_us_per_message") | digits(3)) | \(figure("p50_us") | digits(1)) | \(figure("p99_us") | digits(1)) |"),
    "",
    "| ratio of medians | |", "|---|--:|",
    ( (reduce (group_by([.bench, .case])[]) as $rows ({};
            .[$rows[0].bench][$rows[0].case] = {
                rate: ($rows | figure("per_second")), cpu: ($rows | figure("cpu_us_per_message")),
                broker: ($rows | figure("broker_us_per_message")), p50: ($rows | figure("p50_us")) })) as $m
      | def ratio($text; $a; $b): if $a == null or $b == null then empty
            else "| \($text) | \($a / $b | digits(2)) |" end;
        $m["produce 100 B"] as $p | $m["fetch 100 B"] as $f
      | $m["1 x 100 B, one in flight"] as $one | $m["10 x 1 KB, one in flight"] as $ten
      | $m["the same load on Apache Kafka"].karga as $real
      | $m["the same load on the embedded broker"].karga as $own
      | ratio("produce: messages/s, karga to kafka-producer-perf-test (at least 5)"; $p.karga.rate; $p["kafka-producer-perf-test"].rate),
        ratio("produce: CPU per message, kafka-producer-perf-test to karga (at least 20)"; $p["kafka-producer-perf-test"].cpu; $p.karga.cpu),
        ratio("produce: messages/s, karga to rskafka"; $p.karga.rate; $p["rskafka 0.6"].rate),
        ratio("fetch: messages/s, karga to kafka-consumer-perf-test (at least 2.5)"; $f.karga.rate; $f["kafka-consumer-perf-test"].rate),
        ratio("fetch: CPU per message, kafka-consumer-perf-test to karga (at least 7)"; $f["kafka-consumer-perf-test"].cpu; $f.karga.cpu),
        ratio("fetch: messages/s, karga to rskafka"; $f.karga.rate; $f["rskafka 0.6"].rate),
        ratio("1 x 100 B, one in flight: p50, karga to a bare blocking socket (at most 1.15)"; $one.karga.p50; $one["bare socket, blocking"].p50),
        ratio("1 x 100 B, one in flight: p50, karga to a bare tokio socket"; $one.karga.p50; $one["bare socket, tokio"].p50),
        ratio("10 x 1 KB, one in flight: messages/s, karga to rskafka (at least 100)"; $ten.karga.rate; $ten["rskafka 0.6"].rate),
        ratio("brokers: messages/s, embedded to Apache Kafka (at least 1)"; $own.rate; $real.rate),
        ratio("brokers: broker CPU per message, Apache Kafka to embedded (more than 1)"; $real.broker; $own.broker) )
' "$rows"
