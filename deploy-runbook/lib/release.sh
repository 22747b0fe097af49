#!/usr/bin/env bash
# Releases: one directory per commit, used only when its build and its tests have come to an end.

release_complete() { [[ $1 && -f $ROOT/releases/$1/.complete ]]; }

# All complete releases, the newest last.
release_list() {
    local marker
    for marker in "$ROOT"/releases/*/.complete; do
        marker=${marker%/.complete}
        printf '%s %s\n' "$(stat --format=%.Y "$marker/.complete")" "${marker##*/}"
    done | sort --numeric-sort | cut --delimiter=' ' --fields=2
}

# Releases that have passed smoke, in that order; the last one is where a rollback begins.
good_list() { cat "$ROOT/run/good" 2>/dev/null || :; }

# good_append RELEASE: it is the newest good one.
good_append() {
    { good_list | sed "/^$1\$/d"; printf '%s\n' "$1"; } | replace "$ROOT/run/good"
}

# good_before RELEASE: the good one before it that is still there; of a stranger, the last good one.
good_before() {
    local release before=''
    while read -r release; do
        [[ $release != "$1" ]] || break
        ! release_complete "$release" || before=$release
    done < <(good_list)
    printf '%s' "$before"
}

# good_back_to RELEASE: what came after it was not so good.
good_back_to() {
    { good_list | sed "/^$1\$/,\$d"; printf '%s\n' "$1"; } | replace "$ROOT/run/good"
}

# resolve_commit REF: fetches, and leaves the full commit for adopt_commit.
resolve_commit() {
    local ref=$1 git=(git "--git-dir=$ROOT/source.git")
    [[ $REPOSITORY ]] || fail 78 "the profile does not say REPOSITORY"
    # No prompt: nobody would see it.
    export GIT_TERMINAL_PROMPT=0
    if [[ $DRY_RUN ]]; then
        git ls-remote --quiet "$REPOSITORY" "$ref" </dev/null |
            awk 'NR == 1 { print $1 }' >"$SCRATCH/commit"
        [[ -s $SCRATCH/commit ]] || printf '%s\n' "$ref" >"$SCRATCH/commit"
        return
    fi
    say "fetch $REPOSITORY"
    [[ -f $ROOT/source.git/HEAD ]] || git init --quiet --bare "$ROOT/source.git"
    "${git[@]}" fetch --quiet --force --prune "$REPOSITORY" \
        '+refs/heads/*:refs/heads/*' '+refs/tags/*:refs/tags/*' 2>"$SCRATCH/git" </dev/null ||
        fail 12 "cannot fetch $REPOSITORY: $(tail --lines=2 "$SCRATCH/git" | tr '\n' ' ')"
    "${git[@]}" rev-parse --quiet --verify --end-of-options "$ref^{commit}" >"$SCRATCH/commit" ||
        fail 12 "there is no commit \`$ref\` in $REPOSITORY"
}

adopt_commit() {
    COMMIT=$(cat "$SCRATCH/commit" 2>/dev/null || :)
    RELEASE=${COMMIT:0:12}
    export COMMIT RELEASE RELEASE_DIR=$ROOT/releases/$RELEASE BUILD_ID=$RELEASE
}

# Builds and tests COMMIT in a fresh directory. A complete release is left as it is.
build_release() {
    note release "$RELEASE"
    note commit "$COMMIT"
    if release_complete "$RELEASE"; then
        say "release $RELEASE is complete already"
        return 0
    fi
    doing "build $COMMIT in $RELEASE_DIR" || return 0
    local log=$ROOT/log/build-$RELEASE.log
    # What an interrupted build has left is not a beginning.
    rm --recursive --force "$RELEASE_DIR"
    mkdir "$RELEASE_DIR"
    : >"$log"
    git --git-dir="$ROOT/source.git" archive "$COMMIT" |
        tar --extract --touch --directory="$RELEASE_DIR" 2>>"$log" ||
        release_broken 12 "cannot unpack $COMMIT into $RELEASE_DIR" "$log"
    profile_command "$BUILD_COMMAND" "$log" ||
        release_broken 12 "the build failed" "$log"
    if [[ $TEST_COMMAND ]]; then
        say "test"
        profile_command "$TEST_COMMAND" "$log" ||
            release_broken 13 "the tests failed" "$log"
    fi
    sync --file-system "$RELEASE_DIR"
    printf '%s %(%FT%T%z)T\n' "$COMMIT" -1 | replace "$RELEASE_DIR/.complete"
    say "release $RELEASE is complete"
}

# release_broken CODE WHY LOG: nothing is left of it but its log.
release_broken() {
    local why=$2
    tail --lines=20 "$3" >&2 || :
    # Before the space is given back.
    has_room || why+="; $(full_advice)"
    rm --recursive --force "$RELEASE_DIR"
    fail "$1" "$why; nothing that runs was changed; the log is $3"
}

# Runs a command of the profile in the release, in bounded time and without our secrets. It keeps
# the lock: a build that is left behind must end before the next one begins.
profile_command() {
    (
        cd "$RELEASE_DIR" || exit
        unset "$TOKEN_VARIABLE" ROLECALL_TOKEN_FILE
        exec timeout --kill-after=10 "$BUILD_SECONDS" bash -c "set -euo pipefail; $1" \
            </dev/null >>"$2" 2>&1
    )
}

# Removes all but the newest; never what runs, what a rollback needs, or what is being deployed.
prune_releases() {
    local keep=$1 release spare=()
    for release in $(release_list | head --lines="-$keep"); do
        case $release in
        "$(current_release)" | "$(good_before "$(current_release)")") ;;
        "$(journal_get target)" | "$(journal_get before)") ;;
        *) spare+=("$release") ;;
        esac
    done
    for release in "${spare[@]}"; do
        doing "remove release $release" || continue
        # The marker first: half a release must not look like one.
        rm --force "$ROOT/releases/$release/.complete"
        rm --recursive --force "${ROOT:?}/releases/$release" "$ROOT/log/build-$release.log"
        note removed "$release"
    done
}
