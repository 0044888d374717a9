#!/bin/sh
# alert.sh: a plugin for `event-controller` that sends an alert to a webhook. Needs curl and jq.
#
#   [global]
#   watcher_plugin = exec
#
#   [plugin_exec]
#   command = sh examples/plugins/alert.sh
#   webhook_url = https://hooks.example.com/services/T0/B0/secret
#
# Optional settings:
#   alert_on = DELETED         events with an alert, of ADDED,MODIFIED,DELETED. When the controller starts, each existing
#                              object is ADDED.
#   webhook_format = slack     {"text": "DELETED Route `shop/web`"}, for Slack, Mattermost and Rocket.Chat; or
#     alertmanager             [{"labels": …, "annotations": …}], for Alertmanager's /api/v2/alerts
#   webhook_timeout = 5        seconds, less than the `timeout` of exec (10s)
#
# If the webhook does not accept the alert (timeout, no connection, 500, 404), this script exits. Only an exit makes
# event-controller retry: a response means that the event was handled, even with level ERROR. After --max-retries
# retries the event is dropped with an ERROR line. If the response of the webhook is lost, the alert is sent twice.
#
# The URL is a secret (with it, anyone can write to the channel): it is never logged, and never on a command line, where
# `ps` would show it.
set -u

die() {
    echo "alert.sh: $1" >&2
    exit 1
}

for tool in curl jq; do
    command -v "$tool" >/dev/null || die "needs $tool, which is not on the PATH"
done

# Converts an event to three lines: an error in the settings; the request as a configuration of curl, empty without an
# alert; and the response. Only jq handles text of the object, so the shell cannot run it. jq (tojson) and curl's
# configuration escape strings in the same way.
program='
def setting($key; $default): .config[$key] // "" | if . == "" then $default else . end;
def list: ascii_upcase | split(",") | map(gsub("^\\s+|\\s+$"; "")) | map(select(. != ""));

.event.type as $type
| .event.object as $object
| ([$object.metadata | .namespace // empty, .name] | join("/")) as $key
| "\($type) \($object.kind) \($key)" as $what
| (setting("alert_on"; "DELETED") | list) as $alert_on
| setting("webhook_url"; "") as $url
| setting("webhook_timeout"; "5") as $timeout
| setting("webhook_format"; "slack") as $format
| (if $format == "alertmanager"
   then [{labels: {alertname: "ObjectChanged", type: $type, kind: $object.kind, name: $object.metadata.name,
                   namespace: ($object.metadata.namespace // "")}, annotations: {summary: $what}}]
   # RBAC objects may have names such as "@all". Backticks disable Markdown and mentions, until a backtick or an empty
   # line. Slack interprets the three escaped characters even in backticks.
   else {text: ("\($type) \($object.kind) `\($key | gsub("[`\\s]+"; " "))`"
                | gsub("&"; "&amp;") | gsub("<"; "&lt;") | gsub(">"; "&gt;"))} end) as $body
| ($alert_on | index($type)) as $due
| (if $alert_on - ["ADDED", "MODIFIED", "DELETED"] != []
     then "alert_on=\(.config.alert_on | tojson): use ADDED, MODIFIED and DELETED, with a comma between"
   elif $url == "" then "webhook_url is missing in [plugin_exec]"
   elif ($url | test("^https?://[^\\s\"]+$") | not) then "webhook_url is not an http:// or https:// URL"
   elif ($timeout | test("^[0-9]+([.][0-9]+)?$") | not) then "webhook_timeout=\($timeout | tojson): use seconds, like 5"
   elif (["slack", "alertmanager"] | index($format) | not)
     then "webhook_format=\($format | tojson): use slack or alertmanager"
   else "" end),
  (if $due then "url = \($url | tojson)\u001fmax-time = \($timeout)\u001fdata-binary = \($body | tojson | tojson)"
   else "" end),
  (if $due then {message: "\($what): alert sent", level: "INFO"}
   else {message: "\($what): no alert", level: "DEBUG"} end | tojson)
'

# Sends the request with curl and sets $failed to the reason of a failure. curl's own messages may contain the URL.
send() {
    status=$(printf '%s\n' "$1" | tr '\037' '\n' |
        curl --silent --globoff --output /dev/null --write-out '%{http_code}' \
            --header 'Content-Type: application/json' --config - 2>/dev/null)
    code=$?
    case $code:$status in
    0:2*) return 0 ;;
    0:*) failed="status $status" ;;
    6:*) failed="unknown host name" ;;
    7:*) failed="connection refused" ;;
    28:*) failed="no response in time (webhook_timeout)" ;;
    35:* | 58:* | 60:* | 77:*) failed="TLS: the certificate or the CA bundle (curl exit code $code)" ;;
    *) failed="curl exit code $code" ;;
    esac
    return 1
}

while IFS= read -r line; do
    lines=$(printf '%s\n' "$line" | jq -r "$program") || die "cannot parse the event"
    {
        read -r error
        IFS= read -r request
        IFS= read -r response
    } <<LINES
$lines
LINES
    [ -z "$error" ] || die "$error"
    if [ -n "$request" ]; then
        # The log line of event-controller names the object.
        send "$request" || die "the webhook did not accept the alert: $failed"
    fi
    printf '%s\n' "$response"
done
