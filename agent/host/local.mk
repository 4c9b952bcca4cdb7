# SPDX-License-Identifier: GPL-2.0-or-later
# What is made equal to the wish.

noinst_LIBRARIES += agent/host/libhost.a
agent_host_libhost_a_SOURCES = \
	agent/host/ctfiles.c agent/host/ctfiles.h \
	agent/host/ctflows.c agent/host/ctflows.h \
	agent/host/ctmounts.c agent/host/ctmounts.h \
	agent/host/ctnames.c agent/host/ctnames.h \
	agent/host/ctnet.c agent/host/ctnet.h \
	agent/host/ctstop.c agent/host/ctstop.h \
	agent/host/ctsweep.c agent/host/ctsweep.h \
	agent/host/ctwatch.c agent/host/ctwatch.h \
	agent/host/drift.c agent/host/drift.h \
	agent/host/forwarder.c agent/host/forwarder.h \
	agent/host/fwheal.c agent/host/fwheal.h \
	agent/host/imagejob.c agent/host/imagejob.h \
	agent/host/leaf.c agent/host/leaf.h \
	agent/host/namefiles.c agent/host/namefiles.h \
	agent/host/pooldir.c agent/host/pooldir.h \
	agent/host/proxydir.c agent/host/proxydir.h
agent_host_libhost_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)
