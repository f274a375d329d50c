#!/usr/bin/env bash
# Shows that clients which know nothing of karga work unchanged against a broker.
#
#   scripts/interop.sh HOST:PORT
#
# Runs kcat (librdkafka) and, when KAFKA_LIBS names a folder with the jars of Kafka's own tools,
# those as well: console producer, console consumer of a partition, ProducerPerformance, topics,
# GetOffsetShell. Each writes what another reads, in every compression, and every result is
# compared. The first difference ends it with status 1 and says what was expected.
#
# Needs kcat, and java when KAFKA_LIBS is set. Leaves nothing behind but topics named interop-*,
# and with KAFKA_LIBS not even those.
set -euo pipefail

if [ $# -ne 1 ]; then
    echo "usage: $0 HOST:PORT" >&2
    exit 2
fi
broker=$1
libs=${KAFKA_LIBS:-}
records=1000
codecs="none gzip snappy lz4 zstd"
prefix="interop-$$-$(date +%s)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "interop: FAILED: $*" >&2
    if [ -s "$work/log" ]; then
        echo "--- the last tool said:" >&2
        tail -n 20 "$work/log" >&2
    fi
    exit 1
}

step() {
    echo "interop: $*"
    : >"$work/log"
}

# Runs a command for at most a minute; what it says on stderr goes to the log.
run() {
    timeout 60 "$@" 2>>"$work/log" || fail "'$*' ended with status $?"
}

tool() {
    local class=$1
    shift
    run java -Xmx256m -cp "$libs/*" "org.apache.kafka.tools.$class" "$@"
}

same() {
    cmp -s "$1" "$2" || {
        diff "$1" "$2" | head -n 10 >>"$work/log" || true
        fail "$3"
    }
}


command -v kcat >/dev/null || fail "kcat is not installed (Debian: apt-get install kcat)"
if [ -n "$libs" ]; then
    command -v java >/dev/null || fail "KAFKA_LIBS is set, but java is not installed"
    ls "$libs"/kafka-tools-*.jar >/dev/null 2>&1 || fail "no kafka-tools jar in KAFKA_LIBS=$libs"
fi

step "kcat lists the cluster"
run kcat -b "$broker" -L >"$work/list"
grep -q '^ 1 brokers:' "$work/list" || fail "kcat -L does not show one broker: $(cat "$work/list")"

for codec in $codecs; do
    topic="$prefix-kcat-$codec"
    step "kcat writes and reads $records records with keys and headers, $codec"
    run kcat -b "$broker" -L -t "$topic" >/dev/null # creates it
    for i in $(seq "$records"); do
        echo "key $i|value $i of a batch compressed with $codec"
    done >"$work/sent"
    run kcat -b "$broker" -P -t "$topic" -p 0 -K '|' -H first=1 -H second=2 -z "$codec" \
        -X linger.ms=100 <"$work/sent" >/dev/null
    run kcat -b "$broker" -C -q -t "$topic" -p 0 -o beginning -e -f '%o|%h|%k|%s\n' >"$work/read"
    awk '{ print NR - 1 "|first=1,second=2|" $0 }' "$work/sent" >"$work/expected"
    same "$work/expected" "$work/read" "kcat did not read what it wrote with $codec"
    run kcat -b "$broker" -Q -t "$topic:0:-1" >"$work/ends"
    grep -q " offset $records\$" "$work/ends" ||
        fail "end offset of $topic is not $records: $(cat "$work/ends")"
done

step "kcat as an idempotent producer"
topic="$prefix-idempotent"
run kcat -b "$broker" -L -t "$topic" >/dev/null
seq "$records" >"$work/sent"
run kcat -b "$broker" -P -t "$topic" -p 0 -X enable.idempotence=true <"$work/sent" >/dev/null
run kcat -b "$broker" -C -q -t "$topic" -p 0 -o beginning -e >"$work/read"
same "$work/sent" "$work/read" "what an idempotent kcat wrote was not read back"

step "kcat starts in the middle, at the end, and at a time"
run kcat -b "$broker" -C -q -t "$topic" -p 0 -o 990 -e >"$work/read"
seq 991 "$records" >"$work/expected"
same "$work/expected" "$work/read" "reading from offset 990 on gave something else"
run kcat -b "$broker" -C -q -t "$topic" -p 0 -o -5 -e >"$work/read"
seq 996 "$records" >"$work/expected"
same "$work/expected" "$work/read" "reading the last 5 records gave something else"
run kcat -b "$broker" -C -q -t "$topic" -p 0 -o s@1000 -c 3 >"$work/read"
seq 3 >"$work/expected"
same "$work/expected" "$work/read" "reading from a timestamp on gave something else"

if [ -z "$libs" ]; then
    echo "interop: all well with kcat (KAFKA_LIBS is not set: Kafka's own tools were not tried)"
    exit 0
fi

step "Kafka's topics tool creates, describes and lists"
made="$prefix-made"
tool TopicCommand --bootstrap-server "$broker" --create --topic "$made" --partitions 3 \
    --replication-factor 1 >/dev/null
tool TopicCommand --bootstrap-server "$broker" --describe --topic "$made" >"$work/read"
grep -q 'PartitionCount: 3' "$work/read" || fail "described as: $(cat "$work/read")"
tool TopicCommand --bootstrap-server "$broker" --list >"$work/read"
grep -qx "$made" "$work/read" || fail "$made is not listed: $(cat "$work/read")"

step "Kafka's console producer writes, kcat reads"
topic="$prefix-console"
run kcat -b "$broker" -L -t "$topic" >/dev/null
seq "$records" >"$work/sent"
tool ConsoleProducer --bootstrap-server "$broker" --topic "$topic" <"$work/sent" >/dev/null
run kcat -b "$broker" -C -q -t "$topic" -p 0 -o beginning -e >"$work/read"
same "$work/sent" "$work/read" "kcat did not read what Kafka's console producer wrote"

step "kcat writes in every compression, Kafka's console consumer reads"
topic="$prefix-codecs"
run kcat -b "$broker" -L -t "$topic" >/dev/null
: >"$work/expected"
for codec in $codecs; do
    for i in $(seq "$records"); do
        echo "$codec $i"
    done >"$work/sent"
    run kcat -b "$broker" -P -t "$topic" -p 0 -z "$codec" <"$work/sent" >/dev/null
    cat "$work/sent" >>"$work/expected"
done
tool consumer.ConsoleConsumer --bootstrap-server "$broker" --topic "$topic" --partition 0 \
    --offset earliest --timeout-ms 20000 --max-messages "$(wc -l <"$work/expected")" >"$work/read"
same "$work/expected" "$work/read" "Kafka's console consumer did not read what kcat wrote"

for codec in $codecs; do
    topic="$prefix-perf-$codec"
    step "ProducerPerformance writes 20000 records, $codec"
    run kcat -b "$broker" -L -t "$topic" >/dev/null
    tool ProducerPerformance --topic "$topic" --num-records 20000 --record-size 100 \
        --throughput -1 --producer-props "bootstrap.servers=$broker" acks=all \
        "compression.type=$codec" batch.size=131072 linger.ms=5 >"$work/read"
    grep -q '^20000 records sent' "$work/read" || fail "it said: $(cat "$work/read")"
    # Read by another library, which checks each batch's CRC and decompresses it.
    run kcat -b "$broker" -C -q -t "$topic" -p 0 -o beginning -e -X check.crcs=true -f '%S\n' |
        sort | uniq -c | tr -s ' ' >"$work/read"
    grep -qx ' 20000 100' "$work/read" || fail "kcat read (count size): $(cat "$work/read")"
done

step "GetOffsetShell counts what was written"
tool GetOffsetShell --bootstrap-server "$broker" --topic "$prefix-perf-.*" >"$work/read"
for codec in $codecs; do
    echo "$prefix-perf-$codec:0:20000"
done | sort >"$work/expected"
sort -o "$work/read" "$work/read"
same "$work/expected" "$work/read" "GetOffsetShell counts differently: $(cat "$work/read")"
tool GetOffsetShell --bootstrap-server "$broker" --topic "$prefix-perf-none" --time -2 >"$work/read"
grep -qx "$prefix-perf-none:0:0" "$work/read" || fail "the earliest offset: $(cat "$work/read")"

step "Kafka's topics tool deletes"
tool TopicCommand --bootstrap-server "$broker" --delete --topic "$prefix-.*" >/dev/null
tool TopicCommand --bootstrap-server "$broker" --list >"$work/read"
if grep -q "^$prefix-" "$work/read"; then
    fail "topics are still listed: $(cat "$work/read")"
fi

echo "interop: all well with kcat and Kafka's own tools"
