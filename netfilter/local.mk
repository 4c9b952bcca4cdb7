# SPDX-License-Identifier: GPL-2.0-or-later
# nftables and conntrack, through libnftnl and libmnl.

noinst_LIBRARIES += netfilter/libnetfilter.a
netfilter_libnetfilter_a_SOURCES = \
	netfilter/ctcut.c netfilter/ctcut.h \
	netfilter/ctflow.c netfilter/ctflow.h \
	netfilter/fwbase.c netfilter/fwbase.h \
	netfilter/fwsets.c netfilter/fwsets.h \
	netfilter/fwstray.c netfilter/fwstray.h \
	netfilter/fwjson.c netfilter/fwjson.h \
	netfilter/fwplan.c netfilter/fwplan.h \
	netfilter/fwport.c netfilter/fwport.h \
	netfilter/fwrule.c netfilter/fwrule.h \
	netfilter/fwtable.c netfilter/fwtable.h \
	netfilter/nfbatch.c netfilter/nfbatch.h \
	netfilter/nfexpr.c netfilter/nfexpr.h \
	netfilter/nfsock.c netfilter/nfsock.h \
	netfilter/nfwatch.c netfilter/nfwatch.h
netfilter_libnetfilter_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(NFTNL_CFLAGS) $(MNL_CFLAGS)
