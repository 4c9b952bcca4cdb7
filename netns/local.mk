# SPDX-License-Identifier: GPL-2.0-or-later
# Links, addresses and routes, through libnl.

noinst_LIBRARIES += netns/libnetns.a
netns_libnetns_a_SOURCES = \
	netns/ifsysctl.c netns/ifsysctl.h \
	netns/rtlink.c netns/rtlink.h \
	netns/rtname.c netns/rtname.h \
	netns/rtpolicy.c netns/rtpolicy.h \
	netns/rtsock.c netns/rtsock.h
netns_libnetns_a_CFLAGS = $(AM_CFLAGS) $(NL_CFLAGS) $(SODIUM_CFLAGS)
