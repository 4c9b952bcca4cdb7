# SPDX-License-Identifier: GPL-2.0-or-later
# The control API, through the courier.

noinst_LIBRARIES += agent/uplink/libuplink.a
agent_uplink_libuplink_a_SOURCES = \
	agent/uplink/apiclock.c agent/uplink/apiclock.h \
	agent/uplink/couriersetup.c agent/uplink/couriersetup.h \
	agent/uplink/errand.c agent/uplink/errand.h \
	agent/uplink/gather.c agent/uplink/gather.h \
	agent/uplink/intake.c agent/uplink/intake.h \
	agent/uplink/orderbatch.c agent/uplink/orderbatch.h \
	agent/uplink/pace.c agent/uplink/pace.h \
	agent/uplink/uplink.c agent/uplink/uplink.h
agent_uplink_libuplink_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)
