#!/usr/bin/env bash
# One call at a time, and the journal by which the next call learns how far the last one came.

# Takes the lock, which ends with this process and with every build that it leaves behind.
take_lock() {
    [[ ! $DRY_RUN ]] || return 0
    mkdir --parents "$ROOT"/{run,log,releases,snapshots,outbox,cache}
    exec 9>>"$ROOT/run/lock"
    if ! flock --nonblock 9; then
        fail 75 "another call is at work: $(tail --lines=1 "$ROOT/run/lock" 2>/dev/null); try later"
    fi
    printf '%s (process %s, since %(%FT%T%z)T)\n' "$VERB" "$$" -1 >"$ROOT/run/lock"
}

# Replaces a file as a whole, on disk before it is visible: replace FILE < TEXT.
replace() {
    cat >"$1.new"
    sync "$1.new"
    mv --force --no-target-directory "$1.new" "$1"
}

# --- the journal: KEY=VALUE lines of the call that is under way

journal_get() {
    [[ -f $ROOT/run/journal ]] || return 0
    awk -v key="$1" 'index($0, key "=") == 1 { value = substr($0, length(key) + 2) }
        END { print value }' "$ROOT/run/journal"
}

# journal_set KEY VALUE [KEY VALUE]...: what is kept in one step is kept together.
journal_set() {
    [[ ! $DRY_RUN ]] || return 0
    local text=''
    [[ ! -f $ROOT/run/journal ]] || text=$(<"$ROOT/run/journal")$'\n'
    while (($#)); do
        text+="$1=$2"$'\n'
        shift 2
    done
    replace "$ROOT/run/journal" <<<"${text%$'\n'}"
}

journal_end() {
    [[ ! $DRY_RUN ]] || return 0
    rm --force "$ROOT/run/journal"
}
