# SPDX-License-Identifier: GPL-2.0-or-later
# Journal, act, record, report.

noinst_LIBRARIES += agent/engine/libengine.a
agent_engine_libengine_a_SOURCES = \
	agent/engine/engine.c agent/engine/engine.h \
	agent/engine/engine_self.h \
	agent/engine/lane.c agent/engine/lane.h \
	agent/engine/opdef.h \
	agent/engine/operation.c agent/engine/operation.h \
	agent/engine/opstep.c agent/engine/opstep.h \
	agent/engine/opwalk.c agent/engine/opwalk.h \
	agent/engine/unfinished.c agent/engine/unfinished.h \
	agent/engine/worker.c agent/engine/worker.h
agent_engine_libengine_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)

check_PROGRAMS += tests/unit/test-lane
TESTS += tests/unit/test-lane
tests_unit_test_lane_SOURCES = tests/unit/test-lane.c tests/unit/tap.h
tests_unit_test_lane_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_lane_LDADD = agent/engine/libengine.a proto/libproto.a $(JANSSON_LIBS) $(SODIUM_LIBS)

check_PROGRAMS += tests/unit/test-opstep
TESTS += tests/unit/test-opstep
tests_unit_test_opstep_SOURCES = tests/unit/test-opstep.c tests/unit/tap.h
tests_unit_test_opstep_LDADD = agent/engine/libengine.a
