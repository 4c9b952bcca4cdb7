#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2154 # top_builddir and top_srcdir come from tests/lib/vm.py
# Of tests/system/reboot.py, in a machine of its own, at each of its boots: node.command restart, then
# kexec-reboot, by a running agent with a container.
set -u
mark=/var/lib/hoody-test
socket=/run/hoody-agent/debug.sock
boot=$(cat /proc/sys/kernel/random/boot_id)
patience=$((40 * ${HOODY_TEST_SLOW:-1})) # seconds

say() { echo "$@"; sync; }
finish() {
	say "$2"
	[ "$1" = 0 ] || for b in -1 0; do journalctl -b $b -u hoody-agent --no-pager | tail -30; done
	echo "$1" >/job/status
	sync
	systemctl poweroff --no-block
	sleep 60
	exit 0
}
ask() { # METHOD PATH [BODY]
	curl -s --max-time 60 --unix-socket $socket -X "$1" ${3:+-d "$3"} -H 'Prefer: respond-async' "http://node/api/v1$2"
}
field() { jq -r "$1"; }

mkdir -p $mark /etc/hoody-agent
if [ ! -e $mark/stage ]; then
	# From the build's own directory: packages are another test's matter.
	sed "s|^ExecStart=.*|ExecStart=$top_builddir/agent/hoody-agent --config /etc/hoody-agent/agent.conf|" \
		"$top_srcdir/packaging/systemd/hoody-agent.service.in" >/etc/systemd/system/hoody-agent.service
	printf '[Node]\nName=vm\n[Local]\nGroup=root\n' >/etc/hoody-agent/agent.conf
	systemctl daemon-reload
	echo first >$mark/stage
fi
# Started by hand: its programs are on a file system that this script has mounted.
systemctl start hoody-agent || finish 1 "the agent does not start"
stage=$(cat $mark/stage)
say "boot of stage $stage: $boot"

order_reboot() { # COMMAND NEXT-STAGE
	operation=$(ask POST /servers/000000000000000000000001/execute-command "{\"command\":\"$1\"}" |
		field .data.operation_id)
	[ "$operation" != null ] || finish 1 "no operation for $1"
	echo "$operation" >$mark/operation
	echo "$boot" >$mark/boot
	echo "$2" >$mark/stage
	sync
	sleep $((4 * patience))
	finish 1 "$1 did not reboot the machine: $(ask GET "/operations/$operation")"
}
judge_reboot() { # COMMAND
	[ "$boot" != "$(cat $mark/boot)" ] || finish 1 "$1: the same boot"
	for _ in $(seq $patience); do
		state=$(ask GET "/operations/$(cat $mark/operation)" | field .data.status)
		[ "$state" = succeeded ] && break
		sleep 1
	done
	[ "$state" = succeeded ] ||
		finish 1 "$1: the order is $state after the boot: $(ask GET "/operations/$(cat $mark/operation)")"
	journalctl -b -1 -u hoody-agent --no-pager | grep -q "every container is stopped" ||
		finish 1 "$1: the journal of the boot before does not have it"
	# The container was asked to end and did, before the host went down: its shutdown script has written so.
	id=$(cat $mark/container)
	[ -s "/var/lib/hoody-agent/pool/containers/$id/rootfs/ended-$stage" ] ||
		finish 1 "$1: the container was not stopped cleanly"
	say "$1: reported as succeeded after the boot, its container ended cleanly"
}
prepare() { # STAGE-AFTER: init runs this when it is asked to end
	id=$(cat $mark/container)
	root=/var/lib/hoody-agent/pool/containers/$id/rootfs
	printf '::sysinit:/bin/true\n::shutdown:/bin/sh -c "echo ended >/ended-%s; sync"\n' "$1" >"$root/etc/inittab"
	restart=$(ask POST "/containers/$id/restart" '{}' | field .data.operation_id)
	for _ in $(seq $patience); do
		[ "$(ask GET "/operations/$restart" | field .data.status)" = succeeded ] && return
		sleep 1
	done
	finish 1 "the container is not restarted: $(ask GET "/operations/$restart")"
}

case $stage in
first)
	project=$(ask POST /projects '{"alias":"p"}' | field .data.id)
	ask POST "/projects/$project/containers" '{"image":"builtin:busybox","name":"web"}' >/dev/null
	for _ in $(seq $patience); do
		id=$(ask GET /containers | field '.data.containers[0] | select(.status=="running") | .id')
		[ -n "$id" ] && break
		sleep 1
	done
	[ -n "$id" ] || finish 1 "no container: $(ask GET /containers)"
	echo "$id" >$mark/container
	prepare restarted
	order_reboot restart restarted
	;;
restarted)
	judge_reboot restart
	prepare kexeced
	order_reboot kexec-reboot kexeced
	;;
kexeced)
	judge_reboot kexec-reboot
	prepare plain
	echo "$boot" >$mark/boot
	echo plain >$mark/stage
	sync
	systemctl reboot
	sleep $((4 * patience))
	finish 1 "the host does not reboot"
	;;
plain)
	[ "$boot" != "$(cat $mark/boot)" ] || finish 1 "reboot: the same boot"
	id=$(cat $mark/container)
	for _ in $(seq $patience); do
		state=$(ask GET "/containers/$id" | field .data.status)
		[ "$state" = running ] && break
		sleep 1
	done
	[ "$state" = running ] || finish 1 "reboot: the container is $state afterwards"
	[ -s "/var/lib/hoody-agent/pool/containers/$id/rootfs/ended-plain" ] ||
		finish 1 "reboot: the container was not stopped cleanly"
	by=$(ask GET "/containers/$id/status-logs?limit=1" | field '.data.logs[0].triggered_by')
	[ "$by" = autostart ] || finish 1 "reboot: the container was started by $by"
	say "reboot: nobody's order, and the container ended cleanly and was started again"
	finish 0 "all reboots were seen through"
	;;
esac
