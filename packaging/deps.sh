# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The Debian packages that we need, in one place: sourced by packaging/quickstart and tests/run.
# shellcheck disable=SC2034 # used by those

HOODY_BUILD_DEPS="autoconf automake make gcc pkg-config libc6-dev git
	libsodium-dev libjansson-dev libcurl4-openssl-dev libssl-dev libsystemd-dev libsqlite3-dev libseccomp-dev
	libinih-dev lxc-dev libarchive-dev libbtrfsutil-dev libmicrohttpd-dev zlib1g-dev libzstd-dev libmnl-dev
	libnftnl-dev libnl-3-dev libnl-route-3-dev libncurses-dev"
HOODY_RUN_DEPS="busybox-static nftables"
HOODY_TEST_DEPS="python3 openssl openssh-client openssh-server lxc procps clang llvm clang-tidy clang-format
	shellcheck binutils xz-utils curl jq mandoc btrfs-progs xfsprogs e2fsprogs rsync attr acl libcap2-bin
	mmdebstrap zstd squashfs-tools qemu-system-x86 iproute2 conntrack microsocks dante-server tinyproxy stunnel4
	haproxy prometheus ca-certificates debhelper dh-apparmor apparmor fakeroot lintian rpm rpmlint systemd umoci zsh
	python3-markdown tidy"

# hoody_install PACKAGE…: install what is missing, without a question; nothing when all is there.
hoody_install() {
	local missing there
	# shellcheck disable=SC2016
	there=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p')
	missing=$(comm -23 <(printf '%s\n' "$@" | sort -u) <(sort -u <<<"$there") | tr '\n' ' ')
	[ -z "$missing" ] && return 0
	if [ "$(id -u)" != 0 ]; then
		echo "missing packages, and only root can install them: $missing" >&2
		return 1
	fi
	echo "installing: $missing"
	export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 # daemons among them are not started
	# shellcheck disable=SC2086
	apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends $missing >/dev/null 2>&1 ||
		{ apt-get -qq update && apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends $missing; }
}
