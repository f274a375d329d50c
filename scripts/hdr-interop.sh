#!/usr/bin/env bash
# HdrHistogram's own Java tools read the histogram logs that karga writes, and karga reads theirs, with equal figures.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: scripts/hdr-interop.sh [check] [--keep DIR]   compare both ways; exit status 1 if a figure differs
       scripts/hdr-interop.sh process ARGS...        HistogramLogProcessor, e.g. -i run.hlog -tag login/response_time
       scripts/hdr-interop.sh libs                   the class path, fetched if need be

  --keep DIR  leave the logs and what was read of them in this folder, absent or empty

What is compared, for every tag: the count, p50, p90, p99, p99.9, p99.99, the maximum and the mean, to the nanosecond (the mean
rounded down). Where karga knows the exact maximum and mean beside the histogram, those may differ from the log's by a bucket's
width, 1/1024. Needs java 17 or later, cargo, and mvn for the first fetch.

environment:
  KARGA_HDR_VERSION  the version of HdrHistogram to fetch (default 2.2.2)
  KARGA_HDR_LIBS     a folder that holds HdrHistogram-*.jar already; nothing is fetched
USAGE
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=$root/.hdr
version=${KARGA_HDR_VERSION:-2.2.2}
export LC_ALL=C

say() { printf 'hdr-interop.sh: %s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}

# ---- HdrHistogram's jar ---------------------------------------------------------------------

# Prints the class path; always called in a subshell. A fetch goes to a folder of its own, renamed when it is whole, so that
# neither a broken download nor a second fetch at the same time is ever taken for a complete one.
class_path() {
    command -v java >/dev/null ||
        die "no java on PATH: install a Java runtime, 17 or later (Debian: default-jdk-headless)"
    if [[ -n ${KARGA_HDR_LIBS:-} ]]; then
        compgen -G "$KARGA_HDR_LIBS/HdrHistogram-*.jar" >/dev/null ||
            die "KARGA_HDR_LIBS=$KARGA_HDR_LIBS holds no HdrHistogram-*.jar"
        printf '%s/*\n' "$KARGA_HDR_LIBS"
        return
    fi
    local libs=$home/libs
    if [[ $(cat "$libs/COMPLETE" 2>/dev/null) != "$version" ]]; then
        fetch_libs "$libs"
    fi
    printf '%s/*\n' "$libs"
}

fetch_libs() {
    local libs=$1
    command -v mvn >/dev/null ||
        die "no mvn on PATH, which fetches HdrHistogram once: install Maven (Debian: maven), or name a folder of jars in KARGA_HDR_LIBS"
    mkdir -p "$home"
    fetch=$(mktemp -d "$home/fetch.XXXXXX") # not local: the trap outlives the function
    trap 'rm -rf "$fetch"' EXIT
    cat >"$fetch/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>karga</groupId>
  <artifactId>hdr-libs</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>org.hdrhistogram</groupId><artifactId>HdrHistogram</artifactId><version>$version</version></dependency>
  </dependencies>
</project>
POM
    say "fetching HdrHistogram $version into .hdr/libs (once)"
    if ! mvn --batch-mode --quiet -f "$fetch/pom.xml" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$fetch/libs" >"$fetch/mvn.log" 2>&1 </dev/null; then
        tail -n 20 "$fetch/mvn.log" >&2
        die "mvn could not fetch HdrHistogram $version (its last lines are above)"
    fi
    printf '%s\n' "$version" >"$fetch/libs/COMPLETE"
    # Another version's jar makes way; if somebody else came first, theirs is as good.
    if [[ $(cat "$libs/COMPLETE" 2>/dev/null) != "$version" ]]; then
        [[ ! -e $libs ]] || mv "$libs" "$fetch/old"
        mv -T "$fetch/libs" "$libs" 2>/dev/null || [[ $(cat "$libs/COMPLETE" 2>/dev/null) == "$version" ]] ||
            die "could not move the fetched jar to $libs"
    fi
}

processor() { java -XX:TieredStopAtLevel=1 -cp "$jars" org.HdrHistogram.HistogramLogProcessor "$@"; }

# ---- the comparison -------------------------------------------------------------------------

example() { cargo run --quiet --manifest-path "$root/Cargo.toml" -p karga-stats --features hdr-log --example hdr_log -- "$@"; }

# What HistogramLogProcessor makes of one tag of a log, as a line of the example's: it writes totals behind "T:" in its last line
# (count, p50, p90, p99, p99.9, p99.99, max), and the mean below the percentiles.
processed() {
    local log=$1 tag=$2 out=$3 only=()
    [[ $tag == - ]] || only=(-tag "$tag")
    # A ratio of 1 prints whole nanoseconds, with ".000" behind, and small ones with spaces before.
    processor -i "$log" -o "$out" -outputValueUnitRatio 1 "${only[@]}" >"$out.log" 2>&1 || {
        cat "$out.log" >&2
        die "HistogramLogProcessor failed on $log, tag $tag (its output is above)"
    }
    local totals mean
    totals=$(tail -n 1 "$out" | sed -n 's/.* T:\([0-9]*\) ( \(.*\) )$/\1 \2/p' | sed 's/\.000//g' | tr -s ' ')
    mean=$(sed -n 's/^#\[Mean *= *\([0-9]*\)\..*/\1/p' "$out.hgrm")
    [[ -n $totals && -n $mean ]] || die "cannot find the totals in $out or the mean in $out.hgrm"
    printf 'log %s %s %s\n' "$tag" "$totals" "$mean"
}

ours_read_by_java() {
    local said tag figures theirs listed tags=0
    example "$work/karga.hlog" >"$work/karga.txt"
    while read -r said tag figures; do
        [[ $said == log ]] || continue
        tags=$((tags + 1))
        theirs=$(processed "$work/karga.hlog" "$tag" "$work/processed.$tags")
        differ "tag $tag" "$said $tag $figures" "$theirs"
    done <"$work/karga.txt"
    # Every tag that is there was compared, and none was made up.
    listed=$(processor -i "$work/karga.hlog" -listtags | tail -n +2 | wc -l)
    [[ $tags == "$listed" && $tags -ge 10 ]] || die "karga lists $tags tags, HistogramLogProcessor $listed"
    # What karga knows exactly is within a bucket of what the log says.
    awk '
        $1 == "log" { for (i = 3; i <= NF; i++) log_[$2, i] = $i }
        $1 == "exact" {
            compared++
            for (i = 3; i <= NF; i++) {
                off = $i - log_[$2, i]
                if (off < 0) off = -off
                if (off * 1024 > $i || (i == 3 && off)) { print "tag " $2 ": exactly " $i ", in the log " log_[$2, i]; bad = 1 }
            }
        }
        END { exit bad || compared < 3 }
    ' "$work/karga.txt" >&2 || die "the exact figures are not those of the log"
    say "karga's log: $tags tags read by HistogramLogProcessor $version, every figure equal"
}

javas_read_by_us() {
    cat >"$work/WriteLog.java" <<'JAVA'
import java.io.PrintStream;
import java.util.Random;
import org.HdrHistogram.*;

/** Writes a log of three tags, each of ten intervals and with a precision of its own, and prints its figures. */
class WriteLog {
    public static void main(String[] args) throws Exception {
        HistogramLogWriter log = new HistogramLogWriter(args[0]);
        log.outputComment("[written by HdrHistogram's own writer]");
        log.outputLogFormatVersion();
        log.outputStartTime(1_700_000_000_000L);
        log.setBaseTime(1_700_000_000_000L);
        log.outputBaseTime(1_700_000_000_000L);
        log.outputLegend();
        Random random = new Random(7);
        String[] tags = {null, "two-digits", "fixed-range"};
        Histogram[] kinds = {new Histogram(3), new Histogram(2), new Histogram(1, 3_600_000_000_000L, 3)};
        for (int tag = 0; tag < tags.length; tag++) {
            Histogram total = new Histogram(kinds[tag].getNumberOfSignificantValueDigits());
            for (int interval = 0; interval < 10; interval++) {
                Histogram histogram = new Histogram(kinds[tag]);
                for (int n = 0; n < 5_000; n++) {
                    histogram.recordValue((long) (1_000 * Math.pow(1e6, random.nextDouble())));
                }
                histogram.setTag(tags[tag]);
                histogram.setStartTimeStamp(1_700_000_000_000L + 1_000L * interval);
                histogram.setEndTimeStamp(1_700_000_001_000L + 1_000L * interval);
                log.outputIntervalHistogram(histogram);
                total.add(histogram);
            }
            System.out.printf("log %s %d %d %d %d %d %d %d %d%n", tags[tag] == null ? "-" : tags[tag], total.getTotalCount(),
                    total.getValueAtPercentile(50), total.getValueAtPercentile(90), total.getValueAtPercentile(99),
                    total.getValueAtPercentile(99.9), total.getValueAtPercentile(99.99), total.getMaxValue(),
                    (long) total.getMean());
        }
        log.close();
    }
}
JAVA
    java -cp "$jars" "$work/WriteLog.java" "$work/java.hlog" >"$work/java.txt" ||
        die "could not run the Java program that writes a log (it takes a JDK, not a runtime alone)"
    example --read "$work/java.hlog" >"$work/read.txt"
    differ "Java's log" "$(sort "$work/java.txt")" "$(sort "$work/read.txt")"
    say "Java's log: $(wc -l <"$work/read.txt") tags read by karga, every figure equal"
}

# Fails if two texts differ, and shows both.
differ() {
    [[ $2 == "$3" && -n $2 ]] || {
        printf '< %s\n> %s\n' "$2" "$3" >&2
        die "$1: the figures differ (< expected, > read)"
    }
}

check() {
    if [[ -n $keep ]]; then
        [[ ! -e $keep || (-d $keep && -z $(ls -A "$keep")) ]] || die "--keep $keep is not an empty folder: choose another"
        mkdir -p "$keep"
        work=$(cd "$keep" && pwd)
    else
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
    fi
    ours_read_by_java
    javas_read_by_us
}

# ---- the command line -----------------------------------------------------------------------

command=${1:-check}
(($# == 0)) || shift
keep=
case $command in
check | --keep)
    [[ $command == check ]] || set -- --keep "$@"
    while (($#)); do
        case $1 in
        --keep)
            (($# > 1)) || die "--keep needs a value"
            keep=$2
            shift 2
            ;;
        *) die "unknown option '$1': see scripts/hdr-interop.sh --help" ;;
        esac
    done
    jars=$(class_path)
    check
    ;;
process)
    jars=$(class_path)
    processor "$@"
    ;;
libs) class_path ;;
-h | --help | help) usage ;;
*) die "unknown command '$command': see scripts/hdr-interop.sh --help" ;;
esac
