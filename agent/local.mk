# SPDX-License-Identifier: GPL-2.0-or-later
# Each folder is a convenience library or a program, and links what it needs and no more: tests/lint/links and
# tests/lint/floors hold it to that.

# From the roof down: none needs one before it.
AGENT_FLOORS = agent/api/libapi.a agent/stats/libstats.a agent/uplink/libuplink.a agent/ops/libops.a \
	agent/host/libhost.a agent/engine/libengine.a agent/report/libreport.a agent/state/libstate.a \
	agent/common/libcommon.a

include agent/common/local.mk
include agent/state/local.mk
include agent/report/local.mk
include agent/engine/local.mk
include agent/host/local.mk
include agent/ops/local.mk
include agent/uplink/local.mk
include agent/stats/local.mk
include agent/api/local.mk
include agent/daemon/local.mk
include agent/courier/local.mk
include agent/portal/local.mk
include agent/worker/local.mk
include agent/ctl/local.mk
