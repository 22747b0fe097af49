#!/usr/bin/env bash
# Makes a release the one that runs: switch, stop, start, wait until it says who it is.

current_release() {
    local target
    target=$(readlink "$ROOT/current" 2>/dev/null) || return 0
    printf '%s' "${target##*/}"
}

# activate RELEASE: idempotent; the caller has the lock. Ends with 14 if it does not come up.
activate() {
    local release=$1
    release_complete "$release" || fail 14 "release $release is not complete; build it first"
    require_token 14
    require_port 14
    activation_at switch
    switch_current "$release"
    activation_at start
    if [[ $SYSTEMD_UNIT ]]; then
        say "$SYSTEMCTL restart $SYSTEMD_UNIT"
        ! has_socket_unit || $SYSTEMCTL start "$SOCKET_UNIT"
        $SYSTEMCTL restart "$SYSTEMD_UNIT" ||
            fail 14 "$SYSTEMD_UNIT did not start; see: $SYSTEMCTL status $SYSTEMD_UNIT"
    else
        stop_recorded
        start_current
    fi
    wait_for_release "$release"
}

# A way back stays one: what it leads away from must not be finished by the next call.
activation_at() { [[ $(journal_get step) == undo ]] || journal_set step "$1"; }

# Refuses to start what would be open to everybody.
require_token() {
    [[ $(service_token) ]] ||
        fail "$1" "no token: write $TOKEN_VARIABLE=… into $ENVIRONMENT_FILE (mode 0600)"
}

# Names whoever has our port; to end it is not for us to decide.
require_port() {
    local stranger
    stranger=$(port_stranger)
    [[ ! $stranger ]] || fail "$1" "port $PORT is held by ${stranger//$'\n'/ and }," \
        "which is not ours; stop it, or give the profile another PORT"
}

# The link is replaced as a whole: there is no moment without a current release.
switch_current() {
    [[ $(current_release) != "$1" ]] || return 0
    say "current -> releases/$1"
    ln --symbolic --force --no-dereference "releases/$1" "$ROOT/run/current.new"
    mv --force --no-target-directory "$ROOT/run/current.new" "$ROOT/current"
}

# Up is what answers, runs, and is the build that was asked for.
wait_for_release() {
    local release=$1 deadline=$((SECONDS + START_SECONDS)) answer='' build=''
    say "wait for $URL$HEALTH_PATH to tell of $release"
    while ((SECONDS < deadline)); do
        # Who does not answer is asked again; and perhaps is not there any more.
        answer=$(PATIENCE=1 && health)
        build=$release
        [[ ! $HEALTH_BUILD ]] ||
            build=$(jq --raw-output "$HEALTH_BUILD" <<<"$answer" 2>/dev/null || :)
        if [[ $answer && $build == "$release" ]] && release_runs "$release"; then
            note release "$release"
            return 0
        fi
        ! release_ended || fail 14 "release $release ended: $(last_words)"
        sleep 0.1
    done
    [[ $answer ]] || fail 14 "release $release did not answer in $START_SECONDS s: $(last_words)"
    fail 14 "$URL$HEALTH_PATH tells of build \`$build\`, not of $release: a stale artifact?"
}

# Whether the process that should serve is there, is of this release, and has our port.
release_runs() {
    if [[ $SYSTEMD_UNIT ]]; then
        $SYSTEMCTL is-active --quiet "$SYSTEMD_UNIT"
    else
        recorded_alive "$ROOT/run/app.pid" && [[ $RECORDED_RELEASE == "$1" ]] &&
            { [[ $SOCKET == held ]] || [[ $(port_owners) == *" $RECORDED_PID "* ]]; }
    fi
}

# Whether what was started is gone already: waiting for it is no use.
release_ended() {
    if [[ $SYSTEMD_UNIT ]]; then
        $SYSTEMCTL is-failed --quiet "$SYSTEMD_UNIT"
    else
        [[ -e $ROOT/run/app.pid ]] && ! recorded_alive "$ROOT/run/app.pid"
    fi
}

# The last lines of the service's log, in one, without the token.
last_words() {
    show_log "$ROOT/log/app.log" 5 | tr '\n' '|'
}

# show_log FILE LINES: what is shown never has the token in it.
show_log() {
    [[ -f $1 ]] || return 0
    local text secret
    text=$(tail --lines="$2" "$1" | tr --delete '\0')
    secret=$(service_token)
    [[ ! $secret ]] || text=${text//"$secret"/…}
    printf '%s\n' "$text"
}
