#!/usr/bin/env bash
# Which process is ours: told by its number and the moment of its start, since numbers are reused.

# process_stat PID: state, parent, group, session, … , start, as in proc(5) behind the name.
process_stat() {
    local stat=''
    # The name, in parentheses, may contain anything.
    { IFS= read -r -d '' stat <"/proc/$1/stat" || [[ $stat ]]; } 2>/dev/null || return 1
    read -r -a STAT <<<"${stat##*) }"
}

# Whether the process that FILE records still runs. FILE: pid, start, boot, release.
recorded_alive() {
    local pid start boot
    RECORDED_PID='' RECORDED_RELEASE=''
    [[ -f $1 ]] || return 1
    read -r pid start boot RECORDED_RELEASE <"$1" || return 1
    [[ $boot == "$(</proc/sys/kernel/random/boot_id)" ]] || return 1
    process_stat "$pid" || return 1
    # When it started, in the clock of this boot: enough to tell it from any other. A zombie has
    # ended, and only waits to be noticed.
    [[ ${STAT[19]} == "$start" && ${STAT[0]} != Z ]] || return 1
    RECORDED_PID=$pid
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
            process_stat "${pid:-none}" || continue
            printf '%s %s %s\n' "$pid" "${STAT[3]}" \
                "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | cut --characters=1-80)"
        done <<<"$found"
    done | sort --unique
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
