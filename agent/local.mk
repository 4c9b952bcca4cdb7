# SPDX-License-Identifier: GPL-2.0-or-later
# The programs. Each links what it needs and no more: tests/lint/links holds them to it.

include agent/ctl.mk

pkglibexec_PROGRAMS += agent/hoody-courier agent/hoody-worker
sbin_PROGRAMS += agent/hoody-agent
bin_PROGRAMS += agent/hoodyctl
