#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2015,SC2016,SC2317 # said so on purpose: functions are called by name
# Of tests/system/install.py, in a machine of its own: the .deb is installed, used, upgraded, removed, installed
# again and purged, as an operator does.
set -u
package=$(echo /job/hoody-agent_*.deb)

say() { echo "$@"; sync; }
finish() {
	say "$2"
	[ "$1" = 0 ] || { systemctl status hoody-agent --no-pager; journalctl -b -u hoody-agent --no-pager | tail -30; }
	echo "$1" >/job/status
	sync
	systemctl poweroff --no-block
	sleep 60
	exit 0
}
must() { # WHAT COMMAND…
	what=$1
	shift
	"$@" >/tmp/out 2>&1 || { cat /tmp/out; finish 1 "$what: failed"; }
	say "$what"
}
main_pid() { systemctl show -P MainPID hoody-agent; }
init_of() { hoodyctl container info web --json | jq -r .pid; }
runs() { [ "$(systemctl is-active hoody-agent)" = active ]; }
goes_on() { [ "$(init_of)" = "$init" ] && [ "$(hoodyctl exec web cat /alive)" = yes ]; }

export DEBIAN_FRONTEND=noninteractive
must "installed" dpkg -i "$package"
must "the agent runs" runs
must "its group is there" getent group hoody
warnings=$(journalctl -b -u hoody-agent -p warning --no-pager -o cat)
[ -z "$warnings" ] || finish 1 "the journal has warnings: $warnings"
say "no warning in the journal"
must "the units are good" systemd-analyze verify --man=no /lib/systemd/system/hoody-agent.service
project=$(hoodyctl project create shop --json | jq -r .id)
must "a container runs" hoodyctl container create builtin:busybox --name web --project "$project"
must "and is used" hoodyctl exec web sh -c 'echo yes >/alive'
init=$(init_of)
agent=$(main_pid)

must "upgraded" dpkg -i "$package"
must "the agent was restarted" \
	sh -c "systemctl is-active hoody-agent && [ \$(systemctl show -P MainPID hoody-agent) != $agent ]"
must "the container goes on" goes_on
must "killed" sh -c 'kill -9 $(systemctl show -P MainPID hoody-agent)
	for i in $(seq $((60 * ${HOODY_TEST_SLOW:-1}))); do sleep 1; hoodyctl status >/dev/null 2>&1 && exit 0; done
	exit 1'
must "the container goes on after that too" goes_on

must "removed" dpkg -r hoody-agent
must "its container runs without it" kill -0 "$init"
must "no socket listens for what is gone" \
	sh -c '! systemctl is-active hoody-courier.socket hoody-portal.socket hoody-netproxy.socket'
must "its configuration stays" test -f /etc/hoody-agent/agent.conf
must "installed again" dpkg -i "$package"
must "and the container is its own again" goes_on
must "purging leaves containers alone" \
	sh -c "dpkg -P hoody-agent 2>&1 | grep -q 'has containers' &&
		kill -0 $init && test -d /var/lib/hoody-agent/pool/containers"
must "installed once more" dpkg -i "$package"
must "a container is deleted" hoodyctl container delete web --force
must "purged" dpkg -P hoody-agent
[ ! -e /var/lib/hoody-agent ] && [ ! -e /etc/hoody-agent ] ||
	finish 1 "purging left $(ls -d /var/lib/hoody-agent /etc/hoody-agent 2>/dev/null)"
say "nothing is left of it"
finish 0 "all of it was seen"
