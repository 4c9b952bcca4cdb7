# SPDX-License-Identifier: GPL-2.0-or-later
# What every program of ours that has a configuration needs. Its objects are independent: hoodyctl takes conf
# and nodekey out of it.

noinst_LIBRARIES += agent/common/libcommon.a
agent_common_libcommon_a_SOURCES = \
	agent/common/agent.c agent/common/agent.h \
	agent/common/alive.c agent/common/alive.h \
	agent/common/api_bodies.def \
	agent/common/api_queries.def \
	agent/common/api_form.c agent/common/api_form.h \
	agent/common/backoff.c agent/common/backoff.h \
	agent/common/cafile.c agent/common/cafile.h \
	agent/common/conf.c agent/common/conf.h \
	agent/common/conf_doc.c agent/common/conf_doc.h \
	agent/common/conf_kind.c agent/common/conf_kind.h \
	agent/common/conf_table.c agent/common/conf_table.h \
	agent/common/ctbounds.c agent/common/ctbounds.h \
	agent/common/journald.c agent/common/journald.h agent/common/journald.def \
	agent/common/nodekey.c agent/common/nodekey.h \
	agent/common/outlet.c agent/common/outlet.h \
	agent/common/spawn.c agent/common/spawn.h \
	agent/common/unixsock.c agent/common/unixsock.h
agent_common_libcommon_a_CFLAGS = $(AM_CFLAGS) $(INIH_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)

check_PROGRAMS += tests/unit/test-conf
TESTS += tests/unit/test-conf
tests_unit_test_conf_SOURCES = tests/unit/test-conf.c tests/unit/tap.h
tests_unit_test_conf_LDADD = agent/common/libcommon.a proto/libproto.a $(INIH_LIBS)

check_PROGRAMS += tests/unit/test-nodekey
TESTS += tests/unit/test-nodekey
tests_unit_test_nodekey_SOURCES = tests/unit/test-nodekey.c tests/unit/tap.h
tests_unit_test_nodekey_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_nodekey_LDADD = agent/common/libcommon.a proto/libproto.a $(SODIUM_LIBS)

check_PROGRAMS += tests/unit/test-journald
TESTS += tests/unit/test-journald
tests_unit_test_journald_SOURCES = tests/unit/test-journald.c tests/unit/tap.h
tests_unit_test_journald_LDADD = agent/common/libcommon.a proto/libproto.a $(SYSTEMD_LIBS)

check_PROGRAMS += tests/unit/test-backoff
TESTS += tests/unit/test-backoff
tests_unit_test_backoff_SOURCES = tests/unit/test-backoff.c tests/unit/tap.h
tests_unit_test_backoff_LDADD = agent/common/libcommon.a
