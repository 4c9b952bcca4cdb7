# SPDX-License-Identifier: GPL-2.0-or-later
# hoody-worker: alone links liblxc.

pkglibexec_PROGRAMS += agent/hoody-worker
agent_hoody_worker_SOURCES = agent/worker_main.c agent/worker_job.h agent/worker_session.c agent/worker_session.h \
	agent/worker_act.h agent/worker_files.c agent/worker_host.c agent/worker_image.c agent/worker_life.c agent/worker_limits.c agent/worker_mounts.c agent/worker_net.c agent/worker_tree.c \
	agent/ctbounds.c agent/ctbounds.h agent/spawn.c agent/spawn.h
agent_hoody_worker_CFLAGS = $(AM_CFLAGS) $(MNL_CFLAGS) $(NFTNL_CFLAGS) $(JANSSON_CFLAGS) $(LXC_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)
agent_hoody_worker_LDADD = lxc/libctlife.a lxc/libct.a netfilter/libnetfilter.a netns/libnetns.a storage/libstorage.a proto/libchannel.a proto/libproto.a \
	$(LXC_LIBS) $(NL_LIBS) $(MNL_LIBS) $(BTRFSUTIL_LIBS) $(JANSSON_LIBS) $(SYSTEMD_LIBS) $(SODIUM_LIBS)
