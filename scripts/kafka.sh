#!/usr/bin/env bash
# A real Apache Kafka on loopback, one KRaft node to a port, for the tests and the benchmarks.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/kafka.sh start  [--port N] [--data DIR]   start one broker; prints 127.0.0.1:PORT
       scripts/kafka.sh stop   [--port N]                end it and remove its data
       scripts/kafka.sh status [--port N]                exit status 0 if it answers
       scripts/kafka.sh env    [--port N]                KARGA_KAFKA, _PID and _LOG, to be eval'ed
       scripts/kafka.sh tool   CLASS [ARGS...]           one of Kafka's own tools, e.g. GetOffsetShell
       scripts/kafka.sh libs                             the class path, fetched if need be

  --port N    the broker's port (default 9092); start takes 0 for any free one
  --data DIR  where the log is kept (default .kafka/run/PORT/data); absent or empty; stop removes it

Brokers on different ports run side by side. Needs java 17 or later, and mvn for the first fetch.

environment:
  KARGA_KAFKA_VERSION  the version to fetch (default 4.1.1)
  KARGA_KAFKA_LIBS     a folder that holds Kafka's jars already; nothing is fetched
  KARGA_KAFKA_HEAP     the broker's heap (default 400m)
  KARGA_KAFKA_WAIT     seconds a start may take (default 90)
USAGE
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=$root/.kafka
version=${KARGA_KAFKA_VERSION:-4.1.1}
host=127.0.0.1

say() { printf 'kafka.sh: %s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}

need_java() {
    command -v java >/dev/null ||
        die "no java on PATH: install a Java runtime, 17 or later (Debian: default-jre-headless)"
}

# ---- Kafka's jars ---------------------------------------------------------------------------

# Prints the folder of jars; always called in a subshell. A fetch goes to a folder of its own, renamed when it is whole, so that
# neither a broken download nor a second fetch at the same time is ever taken for a complete one.
libs_dir() {
    if [[ -n ${KARGA_KAFKA_LIBS:-} ]]; then
        compgen -G "$KARGA_KAFKA_LIBS/kafka_2.13-*.jar" >/dev/null ||
            die "KARGA_KAFKA_LIBS=$KARGA_KAFKA_LIBS holds no kafka_2.13-*.jar"
        printf '%s\n' "$KARGA_KAFKA_LIBS"
        return
    fi
    local libs=$home/libs
    if [[ $(cat "$libs/COMPLETE" 2>/dev/null) != "$version" ]]; then
        fetch_libs "$libs"
    fi
    printf '%s\n' "$libs"
}

fetch_libs() {
    local libs=$1 log
    need_java
    command -v mvn >/dev/null ||
        die "no mvn on PATH, which fetches Apache Kafka once: install Maven (Debian: maven), or name a folder of jars in KARGA_KAFKA_LIBS"
    mkdir -p "$home"
    work=$(mktemp -d "$home/fetch.XXXXXX") # not local: the trap outlives the function
    trap 'rm -rf "$work"' EXIT
    log=$work/mvn.log
    # slf4j-simple: without a binding the broker would log nothing.
    cat >"$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>karga</groupId>
  <artifactId>kafka-libs</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
    say "fetching Apache Kafka $version into .kafka/libs (once)"
    if ! mvn --batch-mode --quiet -f "$work/pom.xml" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$work/libs" >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        die "mvn could not fetch Apache Kafka $version (its last lines are above)"
    fi
    printf '%s\n' "$version" >"$work/libs/COMPLETE"
    # Another version's jars make way; if somebody else came first, theirs are as good.
    if [[ $(cat "$libs/COMPLETE" 2>/dev/null) != "$version" ]]; then
        [[ ! -e $libs ]] || mv "$libs" "$work/old"
        mv -T "$work/libs" "$libs" 2>/dev/null || [[ $(cat "$libs/COMPLETE" 2>/dev/null) == "$version" ]] ||
            die "could not move the fetched jars to $libs"
    fi
}

# ---- one broker -----------------------------------------------------------------------------

# Something accepts connections on the port.
listens() { (exec 3<>"/dev/tcp/$host/$1") 2>/dev/null; }

# A Metadata request (version 1, no topics) is answered with at least one broker: only then has the
# node joined its own cluster. Frame: size 14, key 3, version 1, correlation 1, no client id, no topic.
answers() {
    local reply
    reply=$(
        exec 2>/dev/null
        exec 3<>"/dev/tcp/$host/$1"
        printf '\0\0\0\016\0\003\0\001\0\0\0\001\377\377\0\0\0\0' >&3
        timeout 5 head -c 12 <&3 | od -An -v -tx1 | tr -d ' \n'
    ) || return 1
    # size, correlation id, number of brokers
    [[ ${#reply} -eq 24 && ${reply:8:8} == 00000001 && ${reply:16:8} != 00000000 ]]
}

free_port() {
    local port
    for _ in {1..100}; do
        # Below the ports that the kernel hands out by itself.
        port=$((20000 + RANDOM % 12000))
        if [[ ! -e $home/run/$port ]] && ! listens "$port"; then
            printf '%s\n' "$port"
            return
        fi
    done
    die "found no free port between 20000 and 32000"
}

# The process id of this port's broker, if that process is alive and still the broker: the id may
# have gone to another program since.
broker_pid() {
    local run=$home/run/$1 pid args
    pid=$(cat "$run/pid" 2>/dev/null) && [[ -n $pid ]] || return 1
    if [[ -r /proc/$pid/cmdline ]]; then
        args=$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) || return 1
    else
        args=$(ps -ww -o args= -p "$pid" 2>/dev/null) || return 1
    fi
    [[ $args == *"$run/server.properties"* ]] || return 1
    printf '%s\n' "$pid"
}

# Removes what a broker left: its data first, for the run folder remembers where that is.
clean() {
    local run=$1 data
    data=$(cat "$run/data.path" 2>/dev/null) || data=
    [[ -z $data ]] || rm -rf "$data"
    rm -rf "$run"
}

end() {
    local pid=$1 tries
    kill -TERM "$pid" 2>/dev/null || return 0
    for ((tries = 0; tries < 150; tries++)); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    say "process $pid did not end within 15 s of TERM: killing it"
    kill -KILL "$pid" 2>/dev/null || return 0
    for ((tries = 0; tries < 50; tries++)); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    die "process $pid is still there after KILL"
}

start() {
    local run pid libs controller heap=${KARGA_KAFKA_HEAP:-400m} limit=${KARGA_KAFKA_WAIT:-90} begun=$SECONDS
    need_java
    libs=$(libs_dir)
    [[ $port != 0 ]] || port=$(free_port)
    run=$home/run/$port
    if pid=$(broker_pid "$port"); then
        die "already running on port $port (process $pid): stop it first, or choose another --port"
    fi
    if listens "$port"; then
        die "port $port is taken by another program: choose another --port (0 for any free one)"
    fi
    # What lies here is either another start's, just under way, or left by one that was killed.
    if pid=$(cat "$run/starter" 2>/dev/null) && kill -0 "$pid" 2>/dev/null; then
        die "another start (process $pid) is under way on port $port"
    fi
    clean "$run"
    data=${data:-$run/data}
    if [[ -e $data && ! (-d $data && -z $(ls -A "$data")) ]]; then
        die "--data $data is not an empty folder, and stop would remove it: choose another"
    fi
    mkdir -p "$home/run"
    mkdir "$run" 2>/dev/null || die "another start is under way on port $port"
    printf '%s\n' $$ >"$run/starter"
    mkdir -p "$data"
    data=$(cd "$data" && pwd)
    printf '%s\n' "$data" >"$run/data.path"
    controller=$(free_port)

    # Whatever ends this function early, a broker that is not up is not left behind.
    trap 'pid=$(broker_pid "$port") && end "$pid"; clean "$run"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    cat >"$run/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@$host:$controller
listeners=PLAINTEXT://$host:$port,CONTROLLER://$host:$controller
advertised.listeners=PLAINTEXT://$host:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$data
auto.create.topics.enable=true
num.partitions=1
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# A deleted topic gives its disk space back soon: benchmarks write gigabytes.
log.segment.delete.delay.ms=1000
PROPERTIES

    # 16 random bytes in Kafka's base64; a leading dash would read as an option.
    local cluster
    cluster=k$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c 2-22)
    java -Xmx128m -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        -cp "$libs/*" kafka.tools.StorageTool format \
        --cluster-id "$cluster" --config "$run/server.properties" >"$run/format.log" 2>&1 || {
        tail -n 20 "$run/format.log" >&2
        die "could not format the storage in $data (the tool's last lines are above)"
    }

    # The collector's settings are those of Kafka's own start script.
    nohup java -Xms"$heap" -Xmx"$heap" -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 \
        -XX:InitiatingHeapOccupancyPercent=35 -Djava.awt.headless=true \
        -Dorg.slf4j.simpleLogger.defaultLogLevel=info -Dorg.slf4j.simpleLogger.showDateTime=true \
        -cp "$libs/*" kafka.Kafka "$run/server.properties" >"$run/broker.log" 2>&1 </dev/null &
    pid=$!
    printf '%s\n' "$pid" >"$run/pid"
    until answers "$port"; do
        if ! kill -0 "$pid" 2>/dev/null; then
            tail -n 30 "$run/broker.log" >&2
            die "the broker ended before it answered on port $port (its last lines are above)"
        fi
        if ((SECONDS - begun > limit)); then
            tail -n 30 "$run/broker.log" >&2
            die "the broker did not answer on port $port within $limit s (its last lines are above; KARGA_KAFKA_WAIT sets the limit)"
        fi
        sleep 0.1
    done
    rm "$run/starter"
    trap - EXIT INT TERM
    disown "$pid" 2>/dev/null || true
    say "Apache Kafka on $host:$port, process $pid, up after $((SECONDS - begun)) s, log in $run/broker.log"
    printf '%s\n' "$host:$port"
}

stop() {
    local run=$home/run/$port pid
    if ! pid=$(broker_pid "$port"); then
        [[ ! -d $run ]] || clean "$run"
        die "not running on port $port"
    fi
    end "$pid"
    clean "$run"
    say "stopped the broker on port $port"
}

status() {
    local pid
    pid=$(broker_pid "$port") || die "not running on port $port"
    answers "$port" || die "process $pid runs, but does not answer on port $port: see $home/run/$port/broker.log"
    say "running on port $port, process $pid"
}

print_env() {
    local pid
    pid=$(broker_pid "$port") || die "not running on port $port"
    printf 'export KARGA_KAFKA=%s:%s\nexport KARGA_KAFKA_PID=%s\nexport KARGA_KAFKA_LOG=%q\n' \
        "$host" "$port" "$pid" "$home/run/$port/broker.log"
}

tool() {
    local class=${1:-} libs
    [[ -n $class ]] || die "tool needs a class, such as GetOffsetShell or org.apache.kafka.tools.TopicCommand"
    shift
    [[ $class == *.* ]] || class=org.apache.kafka.tools.$class
    need_java
    libs=$(libs_dir)
    # Heap and collector as Kafka's own perf-test scripts set them: the tools are also rivals.
    exec java -Xmx512m -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 \
        -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        -cp "$libs/*" "$class" "$@"
}

# ---- the command line -----------------------------------------------------------------------

command=${1:-}
[[ -n $command ]] || {
    usage >&2
    exit 2
}
shift
port=9092
data=
case $command in
start | stop | status | env)
    while (($#)); do
        case $1 in
        --port | --data)
            (($# > 1)) || die "$1 needs a value"
            printf -v "${1#--}" %s "$2"
            shift 2
            ;;
        *) die "unknown option '$1' for $command: see scripts/kafka.sh --help" ;;
        esac
    done
    [[ $port =~ ^[0-9]{1,5}$ ]] && ((10#$port <= 65535)) || die "--port $port is no port: give 1 to 65535"
    port=$((10#$port))
    [[ $command == start || $port != 0 ]] || die "--port 0 makes sense for start only: name the broker's port"
    [[ $command == start || -z $data ]] || die "--data belongs to start"
    if [[ $command == env ]]; then print_env; else "$command"; fi
    ;;
tool) tool "$@" ;;
libs)
    libs=$(libs_dir)
    printf '%s/*\n' "$libs"
    ;;
-h | --help | help) usage ;;
*) die "unknown command '$command': see scripts/kafka.sh --help" ;;
esac
