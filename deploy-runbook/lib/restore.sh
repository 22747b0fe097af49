#!/usr/bin/env bash
# The way back of data: from a snapshot to a directory that is put in the place of what was there.

# restore_stage SNAPSHOT RELEASE: a checked copy beside the data, written by the release that will
# read it: another may write what it cannot read. Nothing that runs is touched.
restore_stage() {
    local directory=$ROOT/snapshots/$1
    [[ $1 != */* && -f $directory/about ]] ||
        fail 17 "there is no snapshot $1; there are: $(ls "$ROOT/snapshots")"
    rm --recursive --force "$DATA_DIR.restoring"
    [[ -d $directory/data || -f $directory/data.snapshot ]] || return 0
    (
        cd "$directory" || exit
        [[ ! -s SHA256SUMS ]] || sha256sum --check --quiet --strict SHA256SUMS
    ) >"$SCRATCH/copy" 2>&1 || fail 16 "snapshot $1 is damaged: $(show_log "$SCRATCH/copy" 3)"
    if [[ -f $directory/data.snapshot ]]; then
        snapshot_run "releases/$2" "$SNAPSHOT_RESTORE" "$directory/data.snapshot" \
            "$DATA_DIR.restoring" ||
            fail 16 "snapshot $1 cannot be restored: $(show_log "$SCRATCH/copy" 3)"
    else
        cp --archive --reflink=auto "$directory/data" "$DATA_DIR.restoring"
    fi
}

# restore_swap ASIDE: puts the data aside and the copy in its place; may be done again and again.
restore_swap() {
    if [[ -d $DATA_DIR && ! -e $1 ]]; then
        mv --no-target-directory "$DATA_DIR" "$1"
    fi
    if [[ ! -e $DATA_DIR && -d $DATA_DIR.restoring ]]; then
        mv --no-target-directory "$DATA_DIR.restoring" "$DATA_DIR"
    fi
    [[ ! -e $DATA_DIR.restoring ]] ||
        fail 16 "somebody has made a new $DATA_DIR; the snapshot is in $DATA_DIR.restoring"
}
