# SPDX-License-Identifier: GPL-2.0-or-later
# What is counted, and how it is shown to those who scrape.

noinst_LIBRARIES += agent/stats/libstats.a
agent_stats_libstats_a_SOURCES = \
	agent/stats/diskcount.c agent/stats/diskcount.h \
	agent/stats/diskuse.c agent/stats/diskuse.h \
	agent/stats/metrics.c agent/stats/metrics.h \
	agent/stats/nodestats.c agent/stats/nodestats.h \
	agent/stats/statjson.c agent/stats/statjson.h \
	agent/stats/stats.c agent/stats/stats.h
agent_stats_libstats_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)
