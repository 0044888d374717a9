#!/bin/sh
# A plugin that behaves as the file $DIR/mode says at each event. What it is given goes to $DIR/heard.
answer='{"message":"handled","level":"INFO"}'
echo $$ > "$DIR/pid"
env > "$DIR/environment"
echo "$K8S_API_ENDPOINT $K8S_NAMESPACE $K8S_RESOURCE $DEMO_CONTROLLER_MAX_RETRIES" > "$DIR/settings"
while IFS= read -r line; do
    printf '%s\n' "$line" >> "$DIR/heard"
    case "$line" in
        *'"name":"poison"'*) exit 3 ;;
    esac
    case "$(cat "$DIR/mode")" in
        hang) sleep 1000 & echo $! > "$DIR/grandchild"; wait ;;
        crash) exit 3 ;;
        garbage) echo 'Traceback (most recent call last)' ;;
        level) echo '{"message":"handled","level":"LOUD"}' ;;
        late) while [ ! -e "$DIR/go" ]; do sleep 0.05; done; echo '{"message":"too late","level":"INFO"}' ;;
        flood) dd if=/dev/zero bs=1000 count=2000 2>/dev/null | tr '\0' 'x' | fold -w 100 >&2; echo "$answer" ;;
        slow) sleep 0.02; echo "$answer" ;;
        gate) while [ ! -e "$DIR/go" ]; do sleep 0.05; done; echo "$answer" ;;
        *) echo "$answer" ;;
    esac
done
