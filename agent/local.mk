# SPDX-License-Identifier: GPL-2.0-or-later
# The programs. Each links what it needs and no more: tests/lint/links holds them to it.

include agent/agent.mk
include agent/courier.mk
include agent/portal.mk
include agent/ctl.mk
include agent/worker.mk
