# SPDX-License-Identifier: GPL-2.0-or-later
# The state file, and nothing else.

noinst_LIBRARIES += agent/state/libstate.a
agent_state_libstate_a_SOURCES = \
	agent/state/aliaslist.c agent/state/aliaslist.h \
	agent/state/ctlink.c agent/state/ctlink.h \
	agent/state/desired.c agent/state/desired.h \
	agent/state/doclist.c agent/state/doclist.h \
	agent/state/envlist.c agent/state/envlist.h \
	agent/state/fwlist.c agent/state/fwlist.h \
	agent/state/history.c agent/state/history.h \
	agent/state/imagelist.c agent/state/imagelist.h \
	agent/state/journal.c agent/state/journal.h \
	agent/state/keylist.c agent/state/keylist.h \
	agent/state/netlist.c agent/state/netlist.h \
	agent/state/notelist.c agent/state/notelist.h \
	agent/state/outbox.c agent/state/outbox.h \
	agent/state/rowjson.c agent/state/rowjson.h \
	agent/state/sharelist.c agent/state/sharelist.h \
	agent/state/snaplist.c agent/state/snaplist.h \
	agent/state/store.c agent/state/store.h \
	agent/state/store_file.c agent/state/store_file.h \
	agent/state/store_schema.c agent/state/store_schema.h \
	agent/state/trust.c agent/state/trust.h
agent_state_libstate_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) $(SQLITE_CFLAGS) $(SYSTEMD_CFLAGS)

check_PROGRAMS += tests/unit/test-store
TESTS += tests/unit/test-store
tests_unit_test_store_SOURCES = tests/unit/test-store.c tests/unit/tap.h
tests_unit_test_store_LDADD = agent/state/libstate.a agent/common/libcommon.a proto/libproto.a $(SQLITE_LIBS) \
	$(JANSSON_LIBS) $(SODIUM_LIBS) $(SYSTEMD_LIBS)

check_PROGRAMS += tests/unit/test-outbox
TESTS += tests/unit/test-outbox
tests_unit_test_outbox_SOURCES = tests/unit/test-outbox.c tests/unit/tap.h
tests_unit_test_outbox_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)
tests_unit_test_outbox_LDADD = agent/state/libstate.a agent/common/libcommon.a proto/libproto.a $(SQLITE_LIBS) \
	$(JANSSON_LIBS) $(SODIUM_LIBS) $(SYSTEMD_LIBS)

check_PROGRAMS += tests/unit/test-ctlink
TESTS += tests/unit/test-ctlink
tests_unit_test_ctlink_SOURCES = tests/unit/test-ctlink.c tests/unit/tap.h
tests_unit_test_ctlink_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_ctlink_LDADD = agent/state/libstate.a agent/common/libcommon.a netns/libnetns.a \
	proto/libproto.a $(JANSSON_LIBS) $(SODIUM_LIBS)
