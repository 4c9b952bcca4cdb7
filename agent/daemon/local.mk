# SPDX-License-Identifier: GPL-2.0-or-later
# hoody-agent: root, one thread; links neither liblxc, libcurl nor libmicrohttpd.

sbin_PROGRAMS += agent/hoody-agent
agent_hoody_agent_SOURCES = agent/daemon/agent_main.c
agent_hoody_agent_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)
agent_hoody_agent_LDADD = $(AGENT_FLOORS) proto/libchannel.a lxc/libct.a storage/libstorage.a \
	netfilter/libnetfilter.a netns/libnetns.a proto/libproto.a $(NFTNL_LIBS) $(MNL_LIBS) \
	$(SYSTEMD_LIBS) $(SQLITE_LIBS) $(INIH_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS) -lm
