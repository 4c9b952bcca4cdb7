# SPDX-License-Identifier: GPL-2.0-or-later
# hoodyctl: what operators have in their hands.

bin_PROGRAMS += agent/hoodyctl
agent_hoodyctl_SOURCES = \
	agent/ctl/ctl_main.c agent/ctl/ctl.h \
	agent/ctl/ctl_api.c \
	agent/ctl/ctl_ask.c agent/ctl/ctl_ask.h \
	agent/ctl/ctl_change.c agent/ctl/ctl_change.h \
	agent/ctl/ctl_conf.c agent/ctl/ctl_conf.h \
	agent/ctl/ctl_out.c agent/ctl/ctl_out.h \
	agent/ctl/ctl_complete.c \
	agent/ctl/ctl_cp.c agent/ctl/ctl_diff.c agent/ctl/ctl_firewall.c \
	agent/ctl/ctl_help.c agent/ctl/ctl_help.h \
	agent/ctl/ctl_keys.c agent/ctl/ctl_keys.h \
	agent/ctl/ctl_man.c \
	agent/ctl/ctl_near.c agent/ctl/ctl_near.h \
	agent/ctl/ctl_config.c \
	agent/ctl/ctl_bounds.c agent/ctl/ctl_bounds.h agent/ctl/ctl_doctor.c \
	agent/ctl/ctl_packet.c agent/ctl/ctl_packet.h \
	agent/ctl/ctl_route.c agent/ctl/ctl_route.h \
	agent/ctl/ctl_run.c agent/ctl/ctl_run.h \
	agent/ctl/ctl_tables.c agent/ctl/ctl_tables.h \
	agent/ctl/ctl_pool.c agent/ctl/ctl_pool.h \
	agent/ctl/ctl_enroll.c \
	agent/ctl/ctl_env.c agent/ctl/ctl_env.h \
	agent/ctl/ctl_events.c agent/ctl/ctl_events.h \
	agent/ctl/ctl_file.c agent/ctl/ctl_file.h \
	agent/ctl/ctl_find.c agent/ctl/ctl_find.h \
	agent/ctl/ctl_http.c agent/ctl/ctl_http.h \
	agent/ctl/ctl_info.c agent/ctl/ctl_info.h \
	agent/ctl/ctl_inside.c agent/ctl/ctl_inside.h \
	agent/ctl/ctl_keygen.c \
	agent/ctl/ctl_noun.c \
	agent/ctl/ctl_order.c \
	agent/ctl/ctl_orders.c \
	agent/ctl/ctl_post.c agent/ctl/ctl_post.h \
	agent/ctl/ctl_pump.c agent/ctl/ctl_pump.h \
	agent/ctl/ctl_rules.c agent/ctl/ctl_rules.h \
	agent/ctl/ctl_session.c \
	agent/ctl/ctl_signal.c agent/ctl/ctl_signal.h \
	agent/ctl/ctl_show.c agent/ctl/ctl_show.h \
	agent/ctl/ctl_spark.c agent/ctl/ctl_spark.h \
	agent/ctl/ctl_status.c \
	agent/ctl/ctl_table.c agent/ctl/ctl_table.h \
	agent/ctl/ctl_text.c agent/ctl/ctl_text.h \
	agent/ctl/ctl_top.c \
	agent/ctl/ctl_toprow.c agent/ctl/ctl_toprow.h \
	agent/ctl/ctl_topscreen.c agent/ctl/ctl_topscreen.h \
	agent/ctl/ctl_tree.c agent/ctl/ctl_tree.h \
	agent/ctl/ctl_trust.c agent/ctl/ctl_trust.h \
	agent/ctl/ctl_usage.c agent/ctl/ctl_usage.h \
	agent/ctl/ctl_value.c agent/ctl/ctl_value.h \
	agent/ctl/ctl_views.c agent/ctl/ctl_views.h \
	agent/ctl/ctl_words.c agent/ctl/ctl_words.h
agent_hoodyctl_CFLAGS = $(AM_CFLAGS) $(NCURSES_CFLAGS) $(CURL_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) \
	$(SYSTEMD_CFLAGS)
agent_hoodyctl_LDADD = agent/common/libcommon.a proto/libchannel.a proto/libproto.a \
	$(CURL_LIBS) $(INIH_LIBS) $(JANSSON_LIBS) $(NCURSES_LIBS) $(SODIUM_LIBS) $(SYSTEMD_LIBS) -lm

check_PROGRAMS += tests/unit/test-spark
TESTS += tests/unit/test-spark
tests_unit_test_spark_SOURCES = tests/unit/test-spark.c tests/unit/tap.h agent/ctl/ctl_spark.c agent/ctl/ctl_spark.h
tests_unit_test_spark_LDADD = -lm

# Runs the program that was built.
check_PROGRAMS += tests/unit/test-ctl
TESTS += tests/unit/test-ctl
tests_unit_test_ctl_SOURCES = tests/unit/test-ctl.c tests/unit/tap.h
tests_unit_test_ctl_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
tests_unit_test_ctl_LDADD = agent/common/libcommon.a proto/libchannel.a proto/libproto.a $(INIH_LIBS) $(SYSTEMD_LIBS)
EXTRA_tests_unit_test_ctl_DEPENDENCIES = agent/hoodyctl
