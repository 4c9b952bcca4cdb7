# SPDX-License-Identifier: GPL-2.0-or-later
# What an order is.

noinst_LIBRARIES += agent/ops/libops.a
agent_ops_libops_a_SOURCES = \
	agent/ops/bootstart.c agent/ops/bootstart.h \
	agent/ops/distinct.c agent/ops/distinct.h \
	agent/ops/heldtime.c agent/ops/heldtime.h \
	agent/ops/localorder.c agent/ops/localorder.h \
	agent/ops/ops.c agent/ops/ops.h \
	agent/ops/ops_command.c \
	agent/ops/ops_container.c \
	agent/ops/ops_copy.c \
	agent/ops/ops_env.c \
	agent/ops/ops_firewall.c \
	agent/ops/ops_image.c \
	agent/ops/ops_network.c \
	agent/ops/ops_node.c \
	agent/ops/ops_project.c \
	agent/ops/ops_proxy.c \
	agent/ops/ops_share.c \
	agent/ops/ops_snapshot.c \
	agent/ops/opstate.c agent/ops/opstate.h \
	agent/ops/ownorder.c agent/ops/ownorder.h \
	agent/ops/reaper.c agent/ops/reaper.h \
	agent/ops/supervise.c agent/ops/supervise.h
agent_ops_libops_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)

check_PROGRAMS += tests/unit/test-heldtime
TESTS += tests/unit/test-heldtime
tests_unit_test_heldtime_SOURCES = tests/unit/test-heldtime.c tests/unit/tap.h
tests_unit_test_heldtime_LDADD = agent/ops/libops.a

check_PROGRAMS += tests/unit/test-ops
TESTS += tests/unit/test-ops
tests_unit_test_ops_SOURCES = tests/unit/test-ops.c tests/unit/tap.h
tests_unit_test_ops_CFLAGS = $(agent_hoody_agent_CFLAGS)
tests_unit_test_ops_LDADD = $(agent_hoody_agent_LDADD)
