#!/bin/sh
# alert.sh: a plugin for `event-controller` that raises an alert through a webhook. Needs curl and jq.
#
#   [global]
#   watcher_plugin = exec
#
#   [plugin_exec]
#   command = sh examples/plugins/alert.sh
#   webhook_url = https://hooks.example.com/services/T0/B0/secret
#
# More settings, all optional:
#   alert_on = DELETED         which events are worth it, of ADDED,MODIFIED,DELETED. ADDED comes once for each object
#                              that is there when the controller starts.
#   webhook_format = slack     {"text": "DELETED Route `shop/web`"}, for Slack, Mattermost and Rocket.Chat; or
#     alertmanager             [{"labels": …, "annotations": …}], for Alertmanager's /api/v2/alerts
#   webhook_timeout = 5        seconds; keep it below exec's own `timeout` (10s)
#
# A webhook that does not take the alert (slow, gone, 500, 404) ends this script. Nothing else asks for a retry:
# whatever is answered, an ERROR too, means that the event is done with. The controller starts the script again and
# repeats the event, up to --max-retries times (5 take 15 to 20 seconds, the next five another 5 s each), then says so
# with an ERROR. An alert whose answer got lost is raised twice.
#
# The URL is a secret (whoever has it can write to the channel): it is neither logged nor put on a command line,
# where `ps` would show it.
set -u

die() {
    echo "alert.sh: $1" >&2
    exit 1
}

for tool in curl jq; do
    command -v "$tool" >/dev/null || die "needs $tool, which is not on the PATH"
done

# Makes three lines of an event: what is wrong with the settings; the request, as curl reads it, or nothing if no alert
# is due; and the answer. What comes from the object passes through jq alone: no name, however odd, is ever seen by the
# shell as anything but text. jq's strings (tojson) and those of curl's configuration are escaped alike.
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
   # Some kinds (those of RBAC) allow names like "@all". In backticks no Markdown and no mention counts, as long as no
   # backtick and no blank line ends them. The three characters are those that mean something to Slack even there.
   else {text: ("\($type) \($object.kind) `\($key | gsub("[`\\s]+"; " "))`"
                | gsub("&"; "&amp;") | gsub("<"; "&lt;") | gsub(">"; "&gt;"))} end) as $body
| ($alert_on | index($type)) as $due
| (if $alert_on - ["ADDED", "MODIFIED", "DELETED"] != []
     then "alert_on=\(.config.alert_on | tojson): use ADDED, MODIFIED and DELETED, with a comma between"
   elif $url == "" then "webhook_url is missing in [plugin_exec]"
   elif ($url | test("^https?://[^\\s\"]+$") | not) then "webhook_url is no http:// or https:// URL"
   elif ($timeout | test("^[0-9]+([.][0-9]+)?$") | not) then "webhook_timeout=\($timeout | tojson): use seconds, like 5"
   elif (["slack", "alertmanager"] | index($format) | not)
     then "webhook_format=\($format | tojson): use slack or alertmanager"
   else "" end),
  (if $due then "url = \($url | tojson)\u001fmax-time = \($timeout)\u001fdata-binary = \($body | tojson | tojson)"
   else "" end),
  (if $due then {message: "\($what): alert raised", level: "INFO"}
   else {message: "\($what): no alert", level: "DEBUG"} end | tojson)
'

# Hands the request to curl and says in $failed why the alert was not taken. curl's own words may hold the URL.
send() {
    status=$(printf '%s\n' "$1" | tr '\037' '\n' |
        curl --silent --globoff --output /dev/null --write-out '%{http_code}' \
            --header 'Content-Type: application/json' --config - 2>/dev/null)
    code=$?
    case $code:$status in
    0:2*) return 0 ;;
    0:*) failed="it answered with status $status" ;;
    6:*) failed="its host name is unknown" ;;
    7:*) failed="the connection was refused" ;;
    28:*) failed="it did not answer in time (webhook_timeout)" ;;
    35:* | 58:* | 60:* | 77:*) failed="TLS: its certificate or the CA bundle (curl exit code $code)" ;;
    *) failed="curl exit code $code" ;;
    esac
    return 1
}

while IFS= read -r line; do
    lines=$(printf '%s\n' "$line" | jq -r "$program") || die "cannot make sense of the event"
    {
        read -r wrong
        IFS= read -r request
        IFS= read -r answer
    } <<LINES
$lines
LINES
    [ -z "$wrong" ] || die "$wrong"
    if [ -n "$request" ]; then
        # The controller's own line names the object.
        send "$request" || die "the webhook did not take the alert: $failed"
    fi
    printf '%s\n' "$answer"
done
