#!/usr/bin/env bash
# What the runbook says: progress to stderr and its log, at the end a summary to stdout.

# One line of progress.
say() {
    local line
    printf -v line '[%(%H:%M:%S)T] %-9s %s' -1 "${STEP:-$VERB}" "$*"
    # Whoever listened may be gone; a deploy goes on all the same.
    printf '%s\n' "$line" >&2 || :
    if [[ -d ${ROOT:-/nowhere}/log && ! $DRY_RUN ]]; then
        printf '%(%Y-%m-%d)T %s\n' -1 "$line" >>"$ROOT/log/runbook.log" || :
    fi
}

# A line of the summary: note KEY VALUE. Of some keys there may be several; of the others, the last
# one counts.
note() {
    [[ -d ${SCRATCH:-/nowhere} ]] || return 0
    printf '%s\t%s\n' "$1" "${2//[$'\n\t']/ }" >>"$SCRATCH/notes"
}

# Ends with a code and a sentence that says what to do.
fail() {
    local code=$1
    shift
    say "FAILED: $*"
    # Of a step only its deploy decides what it means.
    if ((BASHPID == $$)); then note message "$*"; else printf '%s' "$*" >"$SCRATCH/cause"; fi
    exit "$code"
}

# Whether something is to be done; in a dry run it is only said.
doing() {
    if [[ $DRY_RUN ]]; then
        say "would $*"
        note would "$*"
        return 1
    fi
    say "$*"
}

open_summary() {
    # A terminal or an ssh connection that goes away does not stop what has been begun.
    trap '' HUP PIPE
    SCRATCH=$(mktemp --directory)
    BODY=$SCRATCH/body
    : >"$SCRATCH/notes"
}

# What was done, as text or JSON; called when the runbook ends, however it ends.
close_summary() {
    local code=$?
    trap - EXIT
    if ((code != 0)) && ! grep --quiet '^message' "$SCRATCH/notes"; then
        case $code in
        1[0-7] | 64 | 75 | 78) ;;
        *) note message "the runbook itself failed ($code)" && code=70 ;;
        esac
    fi
    jq --raw-input --null-input --compact-output \
        --arg verb "$VERB" --arg app "${APP:-}" --argjson exit "$code" --arg dry "$DRY_RUN" '
        reduce (inputs | split("\t")) as [$key, $value] ({};
            if $key | IN("step", "snapshot", "ledger", "warning", "would", "removed",
                "release_list")
            then .[$key] += [$value] else .[$key] = $value end)
        | {verb: $verb, app: $app, ok: ($exit == 0), exit: $exit, dry_run: ($dry == "yes")} + .
        ' "$SCRATCH/notes" >"$SCRATCH/summary" || :
    if [[ $JSON ]]; then
        cat "$SCRATCH/summary" || :
    else
        jq --raw-output 'to_entries[] | select(.value | IN("", false, 0) | not)
            | "\(.key): \(.value | if type == "array" then join("\n    ") else . end)"' \
            "$SCRATCH/summary" || :
    fi
    rm --recursive --force "$SCRATCH"
    exit "$code"
}

# The header of the runbook or of a verb, which is its manual.
help() {
    local file=$RUNBOOK/runbook verb
    if (($#)); then
        [[ $1 =~ ^[a-z]+$ && -f $RUNBOOK/verbs/$1 ]] || fail 64 "there is no verb \`$1\`"
        file=$RUNBOOK/verbs/$1
    fi
    awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$file"
    (($#)) && return
    printf '\nVerbs:\n'
    for verb in preflight snapshot build restart smoke rollback deploy status releases logs; do
        printf '  %-10s %s\n' "$verb" \
            "$(awk 'sub(/^# Summary: +/, "") { print; exit }' "$RUNBOOK/verbs/$verb")"
    done
    printf '  %-10s %s\n' help 'This page, or the page of a verb: runbook help deploy'
}
