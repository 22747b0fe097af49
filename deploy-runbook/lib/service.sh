#!/usr/bin/env bash
# Stops what is recorded, starts the current release, and keeps its socket open in between.

# Stops the service for longer than a restart. Not without its socket unit: the next caller would
# start it again.
stop_service() {
    if [[ ! $SYSTEMD_UNIT ]]; then
        stop_recorded
    elif has_socket_unit; then
        $SYSTEMCTL stop "$SOCKET_UNIT" "$SYSTEMD_UNIT"
    else
        $SYSTEMCTL stop "$SYSTEMD_UNIT"
    fi
}

has_socket_unit() {
    SOCKET_UNIT=${SYSTEMD_UNIT%.service}.socket
    $SYSTEMCTL cat "$SOCKET_UNIT" >/dev/null 2>&1
}

# Ends the recorded process, if it is still the one recorded: first with SIGTERM, so that it can
# answer what it has accepted. The launcher's lock: one that is just starting is waited for.
stop_recorded() {
    local pid deadline=$((SECONDS + STOP_SECONDS))
    {
        flock 8
        if ! recorded_alive "$ROOT/run/app.pid"; then
            say "nothing to stop"
            return 0
        fi
    } 8>>"$ROOT/run/launch.lock"
    pid=$RECORDED_PID
    say "stop process $pid (release $RECORDED_RELEASE)"
    kill -s TERM "$pid" 2>/dev/null || :
    while recorded_alive "$ROOT/run/app.pid"; do
        if ((SECONDS >= deadline)); then
            say "process $pid has not ended in $STOP_SECONDS s: SIGKILL"
            note warning "process $pid was killed: it did not end in $STOP_SECONDS s"
            kill -s KILL "$pid" 2>/dev/null || :
        fi
        sleep 0.05
    done
}

start_current() {
    local key
    cp "$RUNBOOK"/launcher/{launch,hold} "$ROOT/run/"
    for key in APP ROOT ADDRESS PORT DATA_DIR START_COMMAND ENVIRONMENT_FILE; do
        printf '%s=%q\n' "$key" "${!key}"
    done | replace "$ROOT/run/launch.conf"
    {
        flock 8
        # So that a record that is there tells of what we start now.
        recorded_alive "$ROOT/run/app.pid" || rm --force "$ROOT/run/app.pid"
    } 8>>"$ROOT/run/launch.lock"
    if [[ $SOCKET == held ]]; then
        ensure_holder
        printf 'start\n' 1<>"$ROOT/run/hold.fifo"
    else
        wait_for_port
        # The launcher gives our lock back when it has recorded itself, and not earlier.
        setsid bash "$ROOT/run/launch" "$ROOT" 8>&- </dev/null >>"$ROOT/log/app.log" 2>&1 &
    fi
}

wait_for_port() {
    local deadline=$((SECONDS + STOP_SECONDS))
    while [[ $(port_owners) ]]; do
        ((SECONDS < deadline)) || require_port 14
        ((SECONDS < deadline)) || fail 14 "port $PORT is still in use: $(port_owners)"
        sleep 0.05
    done
}

# Who keeps the address open while releases come and go; it survives deploys.
ensure_holder() {
    local deadline=$((SECONDS + START_SECONDS)) want="$ADDRESS:$PORT"
    if recorded_alive "$ROOT/run/hold.pid"; then
        [[ $RECORDED_RELEASE != "$want" ]] || return 0
        stop_holder
    fi
    wait_for_port
    rm --force "$ROOT/run/hold.fifo"
    mkfifo "$ROOT/run/hold.fifo"
    say "hold $want open from now on"
    RELEASE_DIR=$ROOT/current setsid \
        bash -c "exec $HOLD_COMMAND bash \"\$ROOT/run/hold\" \"\$ROOT\"" \
        8>&- 9>&- </dev/null >>"$ROOT/log/app.log" 2>&1 &
    until recorded_alive "$ROOT/run/hold.pid"; do
        ((SECONDS < deadline)) || fail 14 "nobody holds $want; see: runbook logs"
        sleep 0.05
    done
}

# Connections that wait in its queue are lost with it: only for a change of the address.
stop_holder() {
    recorded_alive "$ROOT/run/hold.pid" || return 0
    say "stop the holder, process $RECORDED_PID"
    kill -s TERM "$RECORDED_PID" 2>/dev/null || :
    while recorded_alive "$ROOT/run/hold.pid"; do sleep 0.05; done
}
