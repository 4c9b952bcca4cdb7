# SPDX-License-Identifier: GPL-2.0-or-later
# What every program of ours that has a configuration needs. Its objects are independent: hoodyctl takes conf and nodekey out of it
# and never links SQLite.

noinst_LIBRARIES += agent/libagentbase.a
agent_libagentbase_a_SOURCES = \
	agent/alive.c agent/alive.h \
	agent/conf.c agent/conf.h \
	agent/conf_doc.c agent/conf_doc.h \
	agent/conf_table.c agent/conf_table.h \
	agent/ctbounds.c agent/ctbounds.h \
	agent/journald.c agent/journald.h agent/journald.def \
	agent/outlet.c agent/outlet.h \
	agent/nodekey.c agent/nodekey.h \
	agent/store.c agent/store.h \
	agent/store_file.c agent/store_file.h \
	agent/store_schema.c agent/store_schema.h
agent_libagentbase_a_CFLAGS = $(AM_CFLAGS) $(INIH_CFLAGS) $(SODIUM_CFLAGS) $(SQLITE_CFLAGS) $(SYSTEMD_CFLAGS)

check_PROGRAMS += tests/unit/test-conf tests/unit/test-store tests/unit/test-nodekey tests/unit/test-journald
TESTS += tests/unit/test-conf tests/unit/test-store tests/unit/test-nodekey tests/unit/test-journald
tests_unit_test_conf_SOURCES = tests/unit/test-conf.c tests/unit/tap.h
tests_unit_test_conf_LDADD = agent/libagentbase.a proto/libproto.a $(INIH_LIBS)
tests_unit_test_store_SOURCES = tests/unit/test-store.c tests/unit/tap.h
tests_unit_test_store_LDADD = agent/libagentbase.a proto/libproto.a $(SQLITE_LIBS) $(SYSTEMD_LIBS)
tests_unit_test_nodekey_SOURCES = tests/unit/test-nodekey.c tests/unit/tap.h
tests_unit_test_nodekey_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_nodekey_LDADD = agent/libagentbase.a proto/libproto.a $(SODIUM_LIBS)
tests_unit_test_journald_SOURCES = tests/unit/test-journald.c tests/unit/tap.h
tests_unit_test_journald_LDADD = agent/libagentbase.a proto/libproto.a $(SYSTEMD_LIBS)

bin_PROGRAMS += agent/hoodyctl
agent_hoodyctl_SOURCES = \
	agent/ctl_main.c agent/ctl.h \
	agent/ctl_api.c \
	agent/ctl_ask.c agent/ctl_ask.h \
	agent/ctl_change.c agent/ctl_change.h \
	agent/ctl_complete.c \
	agent/ctl_config.c \
	agent/ctl_bounds.c agent/ctl_bounds.h agent/ctl_doctor.c \
	agent/ctl_packet.c agent/ctl_packet.h \
	agent/ctl_run.c agent/ctl_run.h \
	agent/ctl_tables.c agent/ctl_tables.h \
	agent/ctl_pool.c agent/ctl_pool.h \
	agent/ctl_enroll.c \
	agent/ctl_file.c agent/ctl_file.h \
	agent/ctl_find.c agent/ctl_find.h \
	agent/ctl_http.c agent/ctl_http.h \
	agent/ctl_keygen.c \
	agent/ctl_noun.c \
	agent/ctl_order.c \
	agent/ctl_orders.c \
	agent/ctl_post.c agent/ctl_post.h \
	agent/ctl_pump.c agent/ctl_pump.h \
	agent/ctl_session.c \
	agent/ctl_show.c agent/ctl_show.h \
	agent/ctl_status.c \
	agent/ctl_table.c agent/ctl_table.h \
	agent/ctl_text.c agent/ctl_text.h \
	agent/ctl_top.c
agent_hoodyctl_CFLAGS = $(AM_CFLAGS) $(NCURSES_CFLAGS) $(CURL_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)
agent_hoodyctl_LDADD = agent/libagentbase.a proto/libchannel.a proto/libproto.a \
	$(CURL_LIBS) $(INIH_LIBS) $(JANSSON_LIBS) $(NCURSES_LIBS) $(SODIUM_LIBS) $(SYSTEMD_LIBS)


# Runs the program that was built.
check_PROGRAMS += tests/unit/test-ctl
TESTS += tests/unit/test-ctl
tests_unit_test_ctl_SOURCES = tests/unit/test-ctl.c tests/unit/tap.h
tests_unit_test_ctl_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
tests_unit_test_ctl_LDADD = agent/libagentbase.a proto/libchannel.a proto/libproto.a $(INIH_LIBS) $(SYSTEMD_LIBS)
EXTRA_tests_unit_test_ctl_DEPENDENCIES = agent/hoodyctl
