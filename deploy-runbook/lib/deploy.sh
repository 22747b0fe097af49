#!/usr/bin/env bash
# The steps of a deploy, and its ends: done, undone, or come to nothing.

# step NAME FUNCTION [ARGUMENT]...: in a subshell, so that its failure can be answered. Sets
# STEP_CODE; must not be called in a condition, since bash would then ignore failures inside.
step() {
    local STEP=$1
    shift
    rm --force "$SCRATCH/cause"
    set +e
    (
        set -e
        "$@"
    )
    STEP_CODE=$?
    set -e
    [[ $STEP_CODE == @(0|1[0-7]|64|75|78) ]] || STEP_CODE=70
    if ((STEP_CODE == 0)); then
        note step "$STEP: done"
    else
        note step "$STEP: failed ($STEP_CODE)"
    fi
}

# Why the last step failed.
step_cause() { cat "$SCRATCH/cause" 2>/dev/null || printf 'the runbook itself failed'; }

# Everything that touches nothing that runs.
deploy_prepare() {
    local reason=$1 before
    before=$(current_release)
    [[ $before != "$RELEASE" ]] || before=$(good_before "$RELEASE")
    note before "$before"
    journal_set verb deploy deploy "$(printf 'deploy-%(%Y%m%dT%H%M%S)T-%s' -1 "$$")" \
        target "$RELEASE" before "$before" unsaved "$reason" step snapshot
    if [[ $reason ]]; then
        say "no snapshot: $reason"
        note no_snapshot "$reason"
    else
        step snapshot snapshot_before
        ((STEP_CODE == 0)) || undo_deploy "$STEP_CODE" "$(step_cause)"
    fi
    journal_set step build
    step build build_release
    ((STEP_CODE == 0)) || undo_deploy "$STEP_CODE" "$(step_cause)"
    [[ ! $DRY_RUN ]] ||
        doing "restart as $RELEASE, smoke, record; else go back to ${before:-nothing}" || :
}

# From here on there is something to undo.
deploy_run() {
    note before "$(journal_get before)"
    step restart activate "$RELEASE"
    ((STEP_CODE == 0)) || undo_deploy "$STEP_CODE" "$(step_cause)"
    journal_set step smoke
    step smoke smoke_all
    ((STEP_CODE == 0)) || undo_deploy "$STEP_CODE" "$(step_cause)"
    journal_set step record
    finish_deploy
}

# Whether anything that runs has been touched since the journal was begun.
journal_is_past_build() { [[ $(journal_get step) == @(switch|start|smoke|undo) ]]; }

# Goes back to where the deploy began, and says why. Ends with the code of what had failed, or
# with 16 if the way back failed, too.
undo_deploy() {
    local code=$1 why=$2 deploy before
    deploy=$(journal_get deploy)
    before=$(journal_get before)
    if ! journal_is_past_build; then
        deploy_failed "$code" "$why; nothing that runs was changed"
        return
    fi
    journal_set step undo
    if [[ ! $before ]]; then
        stop_service
        # Better refused than waiting in a queue that nobody empties.
        [[ $SYSTEMD_UNIT ]] || stop_holder
        rm --force "$ROOT/current"
        deploy_failed "$code" "$why; there was no release before, so nothing serves now"
        return
    fi
    step rollback activate "$before"
    ((STEP_CODE == 0)) || fail 16 "$why; and $before did not come up again: $(step_cause)"
    step smoke smoke_all
    ((STEP_CODE == 0)) ||
        fail 16 "$why; $before runs again but does not pass smoke: $(step_cause)"
    deploy_failed "$code" "$why; release $before serves again"
}

# The end of a deploy that came to nothing; a code of 0 means that the caller goes on.
deploy_failed() {
    local deploy
    deploy=$(journal_get deploy)
    record_event task_failed "$deploy" "deploy of $APP $(journal_get target) failed: $2"
    journal_end
    (($1 == 0)) || fail "$1" "$2"
    say "$2"
}

# What comes after a passed smoke; each part may be done twice.
finish_deploy() {
    local deploy target
    deploy=$(journal_get deploy)
    target=$(journal_get target)
    good_append "$target"
    if [[ ! $(journal_get after) && ! $(journal_get unsaved) ]]; then
        step snapshot snapshot_after
        ((STEP_CODE == 0)) || note warning "no snapshot of the new state: runbook snapshot"
    fi
    record_event task_completed "$deploy" "deployed $APP $target"
    journal_end
    prune_releases "$KEEP_RELEASES"
}

snapshot_before() {
    take_snapshot pre-deploy-backup
    journal_set snapshot "$SNAPSHOT"
}

snapshot_after() {
    take_snapshot post-deploy
    journal_set after "$SNAPSHOT"
}
