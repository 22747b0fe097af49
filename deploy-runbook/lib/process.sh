#!/usr/bin/env bash
# Which process is ours: told by its number and the moment of its start, since numbers are reused.

# When a process started, in the clock of this boot: enough to tell it from any other.
process_start() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # The name, in parentheses, may contain anything.
    awk '{ print $20 }' <<<"${stat##*) }"
}

# Whether the process that FILE records still runs. FILE: pid, start, boot, release.
recorded_alive() {
    local pid start boot
    RECORDED_PID='' RECORDED_RELEASE=''
    [[ -f $1 ]] || return 1
    read -r pid start boot RECORDED_RELEASE <"$1" || return 1
    [[ $boot == "$(</proc/sys/kernel/random/boot_id)" ]] || return 1
    [[ $pid =~ ^[0-9]+$ && $(process_start "$pid") == "$start" ]] || return 1
    [[ $(process_state "$pid") != Z ]] || return 1
    RECORDED_PID=$pid
}

process_state() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
    awk '{ print $1 }' <<<"${stat##*) }"
}

# Who listens on the port: one line `pid session name` each; `? ? …` for those we may not see.
port_owners() {
    local hex inode found pid
    printf -v hex '%04X' "$PORT"
    awk -v port=":$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10 }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null | while read -r inode; do
        found=$(find /proc/[0-9]*/fd -lname "socket:\[$inode\]" 2>/dev/null || :)
        [[ $found ]] || printf '? ? somebody whom only root can see\n'
        while IFS=/ read -r _ _ pid _; do
            [[ ! $pid ]] || printf '%s %s %s\n' "$pid" "$(process_session "$pid")" \
                "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | cut --characters=1-80)"
        done <<<"$found"
    done | sort --unique
}

process_session() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
    awk '{ print $4 }' <<<"${stat##*) }"
}

# Who listens on the port and is not ours, in words; nothing if there is no such one.
port_stranger() {
    local app='' holder='' pid session name
    [[ ! $SYSTEMD_UNIT ]] || return 0
    ! recorded_alive "$ROOT/run/app.pid" || app=$RECORDED_PID
    ! recorded_alive "$ROOT/run/hold.pid" || holder=$RECORDED_PID
    while read -r pid session name; do
        case $session in
        '' | "$app" | "$holder") ;;
        *) [[ $pid == "$app" || $pid == "$holder" ]] || printf 'process %s (%s)\n' "$pid" "$name" ;;
        esac
    done < <(port_owners)
}
