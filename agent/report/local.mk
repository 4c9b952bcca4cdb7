# SPDX-License-Identifier: GPL-2.0-or-later
# What is said, to all who listen.

noinst_LIBRARIES += agent/report/libreport.a
agent_report_libreport_a_SOURCES = \
	agent/report/counters.c agent/report/counters.h \
	agent/report/event.c agent/report/event.h \
	agent/report/status.c agent/report/status.h \
	agent/report/tell.c agent/report/tell.h
agent_report_libreport_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)
