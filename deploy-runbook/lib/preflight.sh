#!/usr/bin/env bash
# What must be so before anything is begun; each check says how to mend what it finds.

problem() { PROBLEMS+=("$*"); }

preflight_tools() {
    local tool
    for tool in awk curl find flock git jq setsid sha256sum tar timeout $TOOLS; do
        command -v "$tool" >/dev/null || problem "$tool is not installed"
    done
    [[ $REPOSITORY ]] || problem "the profile does not say REPOSITORY"
    [[ $BUILD_COMMAND ]] || problem "the profile does not say BUILD_COMMAND"
    [[ $START_COMMAND || $SYSTEMD_UNIT ]] ||
        problem "the profile says neither START_COMMAND nor SYSTEMD_UNIT"
    [[ $SOCKET == own || $HOLD_COMMAND || $SYSTEMD_UNIT ]] ||
        problem "SOCKET=held needs HOLD_COMMAND"
    [[ ! $SYSTEMD_UNIT ]] || $SYSTEMCTL cat "$SYSTEMD_UNIT" >/dev/null 2>&1 ||
        problem "there is no unit $SYSTEMD_UNIT; install one of $RUNBOOK/units"
}

preflight_disk() {
    local directory free
    for directory in "$ROOT" "$DATA_DIR"; do
        # Where it is not there yet, its nearest parent counts.
        while [[ ! -d $directory ]]; do directory=$(dirname "$directory"); done
        [[ -w $directory ]] ||
            problem "$directory is not writable for $(id --user --name): chown it"
        free=$(df --output=avail --block-size=1M "$directory" | tail --lines=1)
        ((free >= DISK_FREE_MB_MIN)) || problem "$directory has ${free// /} MB free of the" \
            "$DISK_FREE_MB_MIN MB wanted (DISK_FREE_MB_MIN): runbook releases prune"
        free=$(df --output=iavail "$directory" | tail --lines=1)
        # Some file systems do not count them.
        [[ ${free// /} == [-0] ]] || ((free >= 1000)) || problem "$directory has only $free inodes"
    done
}

preflight_clock() {
    local newest now
    printf -v now '%(%s)T' -1
    newest=$(release_list | tail --lines=1)
    [[ ! $newest ]] || newest=$(stat --format=%Y "$ROOT/releases/$newest/.complete")
    ((now > 1700000000 && now + 60 >= ${newest:-0})) ||
        problem "the clock says $(date), which is before the newest release was built: set it"
}

preflight_token() {
    local mode
    if [[ ! -f $ENVIRONMENT_FILE ]]; then
        problem "there is no $ENVIRONMENT_FILE: write $TOKEN_VARIABLE=… into it (mode 0600)"
        return
    fi
    mode=$(stat --format=%a "$ENVIRONMENT_FILE")
    [[ $mode == [46]00 ]] ||
        problem "others may read the token (mode $mode): chmod 600 $ENVIRONMENT_FILE"
    [[ $(service_token) ]] || problem "$ENVIRONMENT_FILE has no $TOKEN_VARIABLE=…:" \
        "the service would be open to everybody"
}

preflight_port() {
    local stranger
    stranger=$(port_stranger)
    [[ ! $stranger ]] ||
        problem "port $PORT is held by ${stranger//$'\n'/ and }, which is not ours: stop it"
}

preflight_earlier() {
    [[ ! $(journal_get verb) ]] ||
        say "an earlier $(journal_get verb) was interrupted: the next deploy finishes or undoes it"
}
