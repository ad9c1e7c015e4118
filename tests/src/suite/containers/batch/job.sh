#!/bin/sh
# Orders come in as tables with lines of day, article and number, in files of any name. Out come one table for each
# day, packed, a summary of each month, and the summaries of earlier runs in an archive.
set -eu
in=/data/in out=/data/out logs=/data/log
log=$logs/orders-$(date +%F).log
say() { echo "$(date '+%F %T') $*" >>"$log"; }

# A log that became too long gives way to a new one.
if [ -f "$log" ] && [ "$(wc -c <"$log")" -gt 300 ]; then
    mv "$log" "$log.1"
    gzip -f "$log.1"
fi

work=$(mktemp -d /tmp/orders.XXXXXX)
trap 'rm -rf "$work"' EXIT
# So little memory that it has to make files of its own.
find $in -type f -name '*.csv' -exec cat {} + | sort -S 16k -t, -k1,1 -k2,2 >"$work/all"
cut -d, -f1 "$work/all" | uniq -c >"$work/days"
cut -d- -f1,2 "$work/all" | uniq >"$work/months"

while read -r count day; do
    grep "^$day," "$work/all" | gzip -n >"$out/.$day.new"
    mv "$out/.$day.new" "$out/$day.csv.gz"
    say "$day: $count orders"
done <"$work/days"

while read -r month; do
    archive=$out/archive/$(echo "$month" | tr - /)
    mkdir -p "$archive"
    if [ -f "$out/summary-$month.txt" ]; then
        cp "$out/summary-$month.txt" "$archive/$(date +%Y%m%dT%H%M%S).txt"
    fi
    rest=$(mktemp "$out/.summary.XXXXXXXX")
    sed -n "s/^$month-\(..\),/\1 /p" "$work/all" | sort -k2 | tail -n 20 >"$rest"
    chmod 644 "$rest"
    mv "$rest" "$out/summary-$month.txt"
    ln -sfn "summary-$month.txt" "$out/latest.txt"
    # Of the archive of a month the newest few stay.
    ls -t "$archive" | tail -n +4 | while read -r old; do rm -f "$archive/$old"; done
done <"$work/months"
say "done"
echo "done $(wc -l <"$work/all")"
