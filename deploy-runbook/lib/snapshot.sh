#!/usr/bin/env bash
# Snapshots: what the service knows, kept so that it can be brought back.

# take_snapshot LABEL: sets SNAPSHOT to its id, records it in the ledger. Ends with 11 on failure.
take_snapshot() {
    local label=$1 directory id='' kind=none
    [[ $SNAPSHOT_COMMAND || $SNAPSHOT_DATA != no ]] ||
        fail 11 "the profile knows no way to take a snapshot: say SNAPSHOT_DATA or" \
            "SNAPSHOT_COMMAND, or give a reason: --no-snapshot REASON"
    SNAPSHOT=''
    doing "take a snapshot ($label)" || return 0
    # One a second: a deploy that takes no longer takes two, which must not have one name.
    until [[ $id && ! -e $ROOT/snapshots/$id ]]; do
        [[ ! $id ]] || sleep 0.1
        printf -v id 'snapshot-%(%Y%m%dT%H%M%S)T-%s' -1 "$$"
    done
    directory=$ROOT/snapshots/$id
    rm --recursive --force "$ROOT"/snapshots/*.partial
    mkdir "$directory.partial"
    if [[ $SNAPSHOT_DATA != no ]]; then
        snapshot_data "$directory.partial"
        kind=data
    fi
    if [[ $SNAPSHOT_COMMAND ]]; then
        snapshot_command "$directory.partial"
        kind+=+command
    fi
    printf '%s\n' "label=$label" "kind=$kind" "release=$(current_release)" \
        "external=${EXTERNAL_SNAPSHOT:-}" | replace "$directory.partial/about"
    mv --no-target-directory "$directory.partial" "$directory"
    SNAPSHOT=$id
    note snapshot "$id"
    [[ ! ${EXTERNAL_SNAPSHOT:-} ]] || note snapshot_command_id "$EXTERNAL_SNAPSHOT"
    say "snapshot $id"
    record_snapshot "${EXTERNAL_SNAPSHOT:-$id}" "$label"
    prune_snapshots
}

# The data of the service as of one moment, in the directory $1: by the service itself if it can,
# else as a copy of its directory.
snapshot_data() {
    if [[ $SNAPSHOT_DATA != online ]] || ! snapshot_online "$1"; then
        snapshot_copy "$1/data"
    fi
    (cd "$1" && find data* -type f -print0 | sort --zero-terminated |
        xargs --null --no-run-if-empty sha256sum >SHA256SUMS)
}

# Asks the service for a snapshot of itself. 1 if it cannot give one: it is down, or a release that
# does not know how; then a copy is as good, since it counts only if it can be read.
snapshot_online() {
    local status=000 file=$1/data.snapshot attempt
    # Where nobody is at home a held socket would let us wait.
    if [[ $(PATIENCE=5 http GET "$URL$HEALTH_PATH" open) == 200 ]]; then
        for attempt in 1 2 3 4 5 6; do
            status=$(BODY=$file BODY_BYTES_MAX=0 PATIENCE=$SNAPSHOT_SECONDS \
                http POST "$URL$SNAPSHOT_PATH" auth)
            [[ $status == 503 ]] || break
            say "the service is busy with other snapshots ($attempt)"
            sleep 10
        done
    fi
    case $status in
        200) ;;
        000 | 404 | 405 | 501)
            rm --force "$file"
            say "the service gives no snapshot of itself ($status): its directory is copied"
            return 1
            ;;
        401 | 403)
            fail 11 "the service refuses a snapshot ($status): the token that is sent" \
                "needs the scope admin, everywhere"
            ;;
        *) fail 11 "the service gave no snapshot ($status): $(head --bytes=300 "$file")" ;;
    esac
    [[ ! $SNAPSHOT_VERIFY ]] || snapshot_run current "$SNAPSHOT_VERIFY" "$file" ||
        fail 11 "the snapshot is not sound: $(show_log "$SCRATCH/copy" 3)"
}

# snapshot_run current|releases/RELEASE COMMAND FILE [DIRECTORY]: a command of the profile about a
# snapshot's file, by that release.
snapshot_run() {
    RELEASE_DIR=$ROOT/$1 SNAPSHOT_FILE=$3 RESTORE_DIR=${4:-} \
        timeout --kill-after=5 "$SNAPSHOT_SECONDS" \
        bash -c "set -euo pipefail; $2" </dev/null >"$SCRATCH/copy" 2>&1
}

# A copy of the directory, made while the service writes. It counts only when SNAPSHOT_CHECK can
# read it; else it is copied again.
snapshot_copy() {
    local attempt
    if [[ ! -d $DATA_DIR ]]; then
        say "there is no data yet: $DATA_DIR"
        mkdir "$1"
        return
    fi
    for attempt in 1 2 3 4 5; do
        ((attempt < 5)) || fail 11 "no copy of $DATA_DIR was consistent:" \
            "$(show_log "$SCRATCH/copy" 3);" \
            "stop the service, or give the profile a SNAPSHOT_COMMAND"
        rm --recursive --force "$1"
        cp --archive --reflink=auto "$DATA_DIR" "$1" 2>"$SCRATCH/copy" || {
            # What vanished while it was copied is tried again; a full disk is not.
            ! grep --quiet 'No space left' "$SCRATCH/copy" ||
                fail 11 "the disk is full: cannot copy $DATA_DIR to $ROOT/snapshots"
            continue
        }
        [[ $SNAPSHOT_CHECK ]] || break
        ! snapshot_reads "$1" || break
        say "copy $attempt is not consistent"
    done
}

# Whether the check of the profile can read a copy; it may write, so it gets a copy of its own.
snapshot_reads() {
    local code=0
    rm --recursive --force "$SCRATCH/check"
    cp --archive --reflink=auto "$1" "$SCRATCH/check" || return
    RELEASE_DIR=$ROOT/current SNAPSHOT_DIR=$SCRATCH/check timeout --kill-after=5 120 \
        bash -c "set -euo pipefail; $SNAPSHOT_CHECK" </dev/null >"$SCRATCH/copy" 2>&1 || code=$?
    rm --recursive --force "$SCRATCH/check"
    return "$code"
}

# The command of the profile; the last word it says is the id.
snapshot_command() {
    say "$SNAPSHOT_COMMAND"
    timeout --kill-after=10 "$BUILD_SECONDS" bash -c "set -euo pipefail; $SNAPSHOT_COMMAND" \
        </dev/null >"$1/command" 2>"$SCRATCH/copy" ||
        fail 11 "the snapshot command failed: $(show_log "$SCRATCH/copy" 3)"
    EXTERNAL_SNAPSHOT=$(awk 'NF { id = $NF } END { print id }' "$1/command")
    [[ $EXTERNAL_SNAPSHOT ]] || fail 11 "the snapshot command did not say an id"
}

snapshot_about() {
    awk -v key="$2" 'index($0, key "=") == 1 { print substr($0, length(key) + 2) }' \
        "$ROOT/snapshots/$1/about"
}

prune_snapshots() {
    local snapshots=("$ROOT"/snapshots/snapshot-*) others=() spare directory needed
    spare=$((${#snapshots[@]} - KEEP_SNAPSHOTS))
    ((spare > 0)) || return 0
    needed=$(journal_get snapshot)
    for directory in "${snapshots[@]}"; do
        # Of two that were taken within a second the younger may come first.
        [[ ${directory##*/} == "$needed" ]] || others+=("$directory")
    done
    rm --recursive --force "${others[@]:0:spare}"
}
