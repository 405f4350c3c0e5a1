#!/bin/sh
# Warms many machines with one list of images, some at a time, and tells which of them lack what.
#
#   prefetch-fleet.sh IMAGES.txt HOSTS.txt [REPORTS_DIR]
#
# HOSTS.txt: one SSH destination a line. Each machine needs `aci` and gets the list through its standard input. The report
# of a machine is REPORTS_DIR/HOST.ndjson, a JSON line for each image.
#
#   SSH        how to reach a machine                 default: ssh -o BatchMode=yes -o ConnectTimeout=10
#   PARALLEL   machines at a time                     default: 20
#   SPREAD     seconds over which they begin          default: 30, so that they do not all ask one registry at once
#   ACI        what to run there                      default: aci prefetch --json --quiet --insecure-options=image --pull-policy=new
#
# Ends with 0 when every machine has every image, else with 9. To run it again costs no request for what is there.
set -eu

images=$1
hosts=$2
reports=${3:-reports}
export images reports
export SSH="${SSH:-ssh -o BatchMode=yes -o ConnectTimeout=10}"
export ACI="${ACI:-aci prefetch --json --quiet --insecure-options=image --pull-policy=new}"
export SPREAD="${SPREAD:-30}"
mkdir -p "$reports"

# A machine that fails must not end the others: its code is written down and looked at afterwards.
grep -v '^ *\(#\|$\)' "$hosts" | xargs -P "${PARALLEL:-20}" -n 1 sh -c '
  host=$1
  sleep "$(awk -v seed="$$" -v spread="$SPREAD" "BEGIN { srand(seed); print rand() * spread }")"
  code=0
  $SSH "$host" "$ACI -f -" <"$images" >"$reports/$host.ndjson" 2>"$reports/$host.err" || code=$?
  echo "$code" >"$reports/$host.code"
  failed=$(grep -c "\"status\":\"failed\"" "$reports/$host.ndjson" || true)
  case $code in
    0) echo "$host: ok" ;;
    9) echo "$host: $failed images failed, see $reports/$host.ndjson" ;;
    *) echo "$host: exit code $code, $(tail -n 1 "$reports/$host.err")" ;;
  esac
' sh

bad=0
for host in $(grep -v '^ *\(#\|$\)' "$hosts"); do
  [ "$(cat "$reports/$host.code" 2>/dev/null)" = 0 ] || bad=$((bad + 1))
done
echo "$bad machines lack images"
[ "$bad" -eq 0 ] || exit 9
