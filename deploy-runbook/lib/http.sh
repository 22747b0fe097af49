#!/usr/bin/env bash
# Asking the service. The token goes to curl by its standard input: command lines are public.

# The value of a name in the environment file; lines are NAME=VALUE, as systemd reads them.
environment_value() {
    [[ -r $ENVIRONMENT_FILE ]] || return 0
    local value
    value=$(awk -v name="$1" 'index($0, name "=") == 1 { value = substr($0, length(name) + 2) }
        END { print value }' "$ENVIRONMENT_FILE")
    if [[ $value =~ ^\'(.*)\'$ || $value =~ ^\"(.*)\"$ ]]; then
        value=${BASH_REMATCH[1]}
    fi
    printf '%s' "$value"
}

# The token that we ask with: from the file that the caller names, else the service's own.
token() {
    if [[ ${ROLECALL_TOKEN_FILE:-} ]]; then
        first_token "$ROLECALL_TOKEN_FILE"
    else
        service_token
    fi
}

# The token that the service is started with.
service_token() {
    local value file
    value=$(environment_value "$TOKEN_VARIABLE")
    file=$(environment_value ROLECALL_TOKEN_FILE)
    if [[ $value ]]; then
        printf '%s' "$value"
    else
        first_token "${file%%:*}"
    fi
}

# Of each line the first word: behind it stand its name and what it may do.
first_token() {
    [[ $1 && -r $1 ]] || return 0
    awk '{ gsub(/^[ \t]+|[ \t\r]+$/, "") } /^[^#]/ { print $1; exit }' "$1"
}

# http METHOD URL auth|open [JSON]: prints the status (000: no answer); the body is in $BODY, unless
# it is longer than BODY_BYTES_MAX.
http() {
    local method=$1 url=$2 access=$3 secret options=()
    : >"$BODY"
    [[ $url != "$URL"* ]] || options+=(--noproxy '*')
    [[ $method != HEAD ]] || options+=(--head)
    {
        if [[ $access == auth ]]; then
            secret=$(token)
            secret=${secret//\\/\\\\}
            printf 'header = "Authorization: Bearer %s"\n' "${secret//\"/\\\"}"
        fi
        if (($# > 3)); then
            printf '%s' "$4" >"$SCRATCH/request"
            printf 'header = "Content-Type: application/json"\ndata-binary = "@%s"\n' \
                "$SCRATCH/request"
        fi
    } | curl --disable --silent --config - --request "$method" \
        --max-time "${PATIENCE:-15}" --connect-timeout 5 \
        --max-filesize "${BODY_BYTES_MAX:-33554432}" --speed-limit 1 --speed-time 30 \
        --output "$BODY" --write-out '%{http_code}' "${options[@]}" -- "$url" 2>/dev/null || :
}

# What the service says of itself; empty if it does not answer well.
health() {
    [[ $(http GET "$URL$HEALTH_PATH" open) == 200 ]] || return 0
    cat "$BODY"
}
