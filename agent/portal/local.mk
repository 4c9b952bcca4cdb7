# SPDX-License-Identifier: GPL-2.0-or-later
# hoody-portal: the only program of the product that links libmicrohttpd.

pkglibexec_PROGRAMS += agent/hoody-portal
agent_hoody_portal_SOURCES = \
	agent/portal/portal_main.c \
	agent/portal/portal_ask.c agent/portal/portal_ask.h \
	agent/portal/portal_crowd.c agent/portal/portal_crowd.h \
	agent/portal/portal_wire.c agent/portal/portal_wire.h
agent_hoody_portal_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(MICROHTTPD_CFLAGS) $(SECCOMP_CFLAGS) $(SYSTEMD_CFLAGS)
agent_hoody_portal_LDADD = proto/libsandbox.a proto/libchannel.a proto/libproto.a \
	$(JANSSON_LIBS) $(MICROHTTPD_LIBS) $(SECCOMP_LIBS) $(SYSTEMD_LIBS)
