#!/usr/bin/env bash
# The profile: which service, from where, where to, and how it is started and asked.

# Every key, and its value when nobody says one; `!` must be said. `${…}` names another key.
declare -A PROFILE_KEYS=(
    [APP]='!' [ROOT]='!' [REPOSITORY]='' [REF]=main
    [BUILD_COMMAND]='' [TEST_COMMAND]='' [START_COMMAND]='' [TOOLS]=''
    [ADDRESS]=127.0.0.1 [PORT]='!' [EXTERNAL_URL]=''
    [HEALTH_PATH]=/health [HEALTH_BUILD]='' [SMOKE]='' [SMOKE_RECORD]=none
    [ENVIRONMENT_FILE]='${ROOT}/environment' [TOKEN_VARIABLE]='!' [DATA_DIR]='${ROOT}/data'
    [SNAPSHOT_COMMAND]='' [SNAPSHOT_DATA]=copy [SNAPSHOT_CHECK]=''
    [SNAPSHOT_PATH]='' [SNAPSHOT_VERIFY]='' [SNAPSHOT_RESTORE]=''
    [SNAPSHOT_SECONDS]=600 [RESTORE_COMMAND]=''
    [LEDGER]=no [LEDGER_VM]='' [LEDGER_AGENT]=deploy-runbook
    [SOCKET]=own [HOLD_COMMAND]='' [SYSTEMD_UNIT]='' [SYSTEMCTL]=systemctl
    [KEEP_RELEASES]=5 [KEEP_SNAPSHOTS]=5 [DISK_FREE_MB_MIN]=1024
    [START_SECONDS]=30 [STOP_SECONDS]=30 [BUILD_SECONDS]=1800
)

# One line `KEY=VALUE`; $2 is where it stands. SMOKE may be said again and again.
profile_line() {
    local key=${1%%=*} value=${1#*=}
    [[ $1 == *=* && ${PROFILE_KEYS[$key]+known} ]] ||
        fail 78 "$2: \`$key\` is no key of a profile; profiles/rolecall.env shows them"
    if [[ $value =~ ^\'(.*)\'$ || $value =~ ^\"(.*)\"$ ]]; then
        value=${BASH_REMATCH[1]}
    fi
    if [[ $key == SMOKE ]]; then
        SAID[SMOKE]+=$value$'\n'
    else
        SAID[$key]=$value
    fi
}

# Reads all profiles and settings, and checks that they make sense together.
profile_read() {
    local -A SAID=()
    local file line number setting key
    ((${#PROFILES[@]})) || fail 64 "name a profile: --profile FILE; some are in $RUNBOOK/profiles"
    for file in "${PROFILES[@]}"; do
        [[ -f $file ]] || fail 78 "there is no profile $file"
        number=0
        # Checks of a later file take the place of those of an earlier one.
        ! grep --quiet '^SMOKE=' "$file" || SAID[SMOKE]=''
        while IFS= read -r line || [[ $line ]]; do
            number=$((number + 1))
            [[ $line =~ ^[[:space:]]*(#|$) ]] || profile_line "$line" "$file:$number"
        done <"$file"
    done
    for setting in "${SETTINGS[@]}"; do
        profile_line "$setting" "--set $setting"
    done
    for key in "${!PROFILE_KEYS[@]}"; do
        printf -v "$key" '%s' "${SAID[$key]-${PROFILE_KEYS[$key]}}"
        [[ ${!key} != '!' ]] || fail 78 "the profile does not say $key"
    done
    profile_expand
    profile_check
}

profile_expand() {
    local key name
    ROOT=${ROOT//'${HOME}'/$HOME}
    for key in DATA_DIR ENVIRONMENT_FILE EXTERNAL_URL REPOSITORY; do
        for name in ROOT HOME APP PORT; do
            printf -v "$key" '%s' "${!key//"\${$name}"/"${!name}"}"
        done
    done
    LEDGER_VM=${LEDGER_VM:-$(uname --nodename)}
    URL=http://$ADDRESS:$PORT
    # Commands of the profile see these; none of them is a secret.
    export APP ROOT RUNBOOK DATA_DIR ADDRESS PORT CACHE_DIR=$ROOT/cache
}

profile_check() {
    local key line
    [[ $ROOT == /*[!/]* ]] || fail 78 "ROOT must be an absolute path, not \`$ROOT\`"
    for key in PORT KEEP_RELEASES KEEP_SNAPSHOTS DISK_FREE_MB_MIN \
        START_SECONDS STOP_SECONDS BUILD_SECONDS SNAPSHOT_SECONDS; do
        [[ ${!key} =~ ^[0-9]{1,9}$ ]] || fail 78 "$key must be a number, not \`${!key}\`"
    done
    profile_one_of LEDGER yes no
    profile_one_of SOCKET own held
    profile_one_of SNAPSHOT_DATA online copy no
    [[ $SNAPSHOT_DATA != online || ($SNAPSHOT_PATH == /* && $SNAPSHOT_RESTORE) ]] ||
        fail 78 "SNAPSHOT_DATA=online needs a SNAPSHOT_PATH to POST to and a SNAPSHOT_RESTORE" \
            "command"
    profile_one_of SMOKE_RECORD none vers
    [[ ! $REPOSITORY =~ ://[^/@]*:[^/@]*@ ]] ||
        fail 78 "REPOSITORY has a password in it, which others would see; use an ssh key"
    while IFS= read -r line; do
        [[ ! $line ]] || smoke_parse "$line"
    done <<<"$SMOKE"
}

profile_one_of() {
    local key=$1
    shift
    [[ " $* " == *" ${!key} "* ]] || fail 78 "$key must be one of: $*; not \`${!key}\`"
}
