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
    # On a full disk the call is known by its lock alone; what frees space goes on all the same.
    printf '%s (process %s, since %(%FT%T%z)T)\n' "$VERB" "$$" -1 2>/dev/null >"$ROOT/run/lock" || :
    [[ $VERB == releases ]] || has_room || fail 10 "$(full_advice)"
}

# Whether what a call keeps on its way can be written.
has_room() {
    local code=0
    head --bytes=65536 /dev/zero 2>/dev/null >"$ROOT/run/room" || code=1
    rm --force "$ROOT/run/room"
    return "$code"
}

full_advice() {
    printf '%s' "the disk of $ROOT is full: free space, say by: runbook releases prune"
}

# Replaces a file as a whole, on disk before it is visible: replace FILE < TEXT.
replace() {
    cat >"$1.new" || fail 70 "cannot write $1; is the disk full?"
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
