#!/usr/bin/env bash
# Is what runs right? Asked as its callers would ask, from here and from outside.

# smoke_parse LINE: METHOD PATH auth|open STATUS [JQ], into CHECK_*.
smoke_parse() {
    local pattern='^(GET|HEAD) +(/[^ ]*) +(auth|open) +([0-9]{3})( +(.+))?$'
    [[ $1 =~ $pattern ]] || fail 78 "SMOKE must be: GET|HEAD PATH auth|open STATUS [JQ], not \`$1\`"
    CHECK_METHOD=${BASH_REMATCH[1]} CHECK_PATH=${BASH_REMATCH[2]} CHECK_ACCESS=${BASH_REMATCH[3]}
    CHECK_STATUS=${BASH_REMATCH[4]} CHECK_SHAPE=${BASH_REMATCH[6]}
    [[ ! $CHECK_SHAPE ]] || jq --null-input "def shape: $CHECK_SHAPE; 1" >/dev/null 2>&1 ||
        fail 78 "SMOKE $CHECK_PATH: jq does not understand \`$CHECK_SHAPE\`"
}

# smoke_all: every check, here and through the external URL. Ends with 15 at the first that fails.
smoke_all() {
    smoke_at "$URL"
    [[ ! $EXTERNAL_URL ]] || smoke_at "${EXTERNAL_URL%/}"
    say "smoke: all is well"
    note smoke passed
}

smoke_at() {
    local base=$1 line
    smoke_one GET "$base$HEALTH_PATH" open 200 ''
    while IFS= read -r line; do
        [[ $line ]] || continue
        smoke_parse "$line"
        smoke_one "$CHECK_METHOD" "$base$CHECK_PATH" "$CHECK_ACCESS" "$CHECK_STATUS" "$CHECK_SHAPE"
    done <<<"$SMOKE"
    [[ $SMOKE_RECORD != vers ]] || smoke_record "$base"
}

# One question: with the token it is answered as expected, without it is refused.
smoke_one() {
    local method=$1 url=$2 access=$3 expected=$4 shape=$5 status
    status=$(http "$method" "$url" "$access")
    [[ $status == "$expected" ]] ||
        fail 15 "$method $url: $(smoke_status "$status"), not $expected$(smoke_hint "$status")"
    if [[ $shape ]] && ! jq --exit-status "$shape" "$BODY" >/dev/null 2>&1; then
        fail 15 "$method $url: not as in \`$shape\`: $(head --bytes=120 "$BODY" | tr '\n' ' ')"
    fi
    [[ $access == auth ]] || return 0
    status=$(http "$method" "$url" open)
    [[ $status == 401 || $status == 403 ]] ||
        fail 15 "$method $url: answered without a token ($(smoke_status "$status")):" \
            "open to everybody"
}

smoke_status() { if [[ $1 == 000 ]]; then printf 'no answer'; else printf 'status %s' "$1"; fi; }

smoke_hint() {
    [[ $1 != 401 ]] ||
        printf '; was the service started with another token than %s?' "$ENVIRONMENT_FILE"
}

# The life of a throw-away record: register, heartbeat, discover, deregister.
smoke_record() {
    local base=$1 id entry
    id="smoke-$(uname --nodename)-$$-$RANDOM"
    entry=$(jq --null-input --compact-output --arg id "$id" '{id: $id, name: $id, role: "custom",
        address: "127.0.0.1", registeredBy: "deploy-runbook", metadata: {smoke: true}}')
    smoke_step "$base/registry/vms" POST 201 "$entry"
    smoke_step "$base/registry/vms/$id/heartbeat" POST 200 '{}'
    smoke_step "$base/registry/discover/custom" GET 200
    jq --exit-status --arg id "$id" '.vms | any(.id == $id)' "$BODY" >/dev/null 2>&1 ||
        fail 15 "$base/registry/discover/custom does not find $id, which was registered just now"
    smoke_step "$base/registry/vms/$id" DELETE 200
    smoke_step "$base/registry/vms/$id" GET 404
}

smoke_step() {
    local status
    status=$(http "$2" "$1" auth "${@:4}")
    [[ $status == "$3" ]] ||
        fail 15 "$2 $1: $(smoke_status "$status"), not $3: $(head --bytes=120 "$BODY")"
}
