# SPDX-License-Identifier: GPL-2.0-or-later
# hoody-worker: alone links liblxc, and does not link libsystemd (agent/worker/worker_host.c).

pkglibexec_PROGRAMS += agent/hoody-worker
agent_hoody_worker_SOURCES = agent/worker/worker_main.c agent/worker/worker_job.c agent/worker/worker_job.h \
	agent/worker/worker_session.c agent/worker/worker_session.h agent/worker/worker_act.h \
	agent/worker/worker_ahead.c agent/worker/worker_files.c agent/worker/worker_host.c agent/worker/worker_image.c \
	agent/worker/worker_life.c agent/worker/worker_limits.c agent/worker/worker_mounts.c \
	agent/worker/worker_net.c agent/worker/worker_tree.c \
	agent/worker/worker_turn.c agent/worker/worker_turn.h agent/common/ctbounds.c agent/common/ctbounds.h \
	agent/common/spawn.c agent/common/spawn.h
agent_hoody_worker_CFLAGS = $(AM_CFLAGS) $(MNL_CFLAGS) $(NFTNL_CFLAGS) $(JANSSON_CFLAGS) $(LXC_CFLAGS) \
	$(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)
agent_hoody_worker_LDADD = lxc/libctlife.a lxc/libct.a netfilter/libnetfilter.a netns/libnetns.a \
	storage/libstorage.a proto/libchannel.a proto/libproto.a $(LXC_LIBS) $(NL_LIBS) $(MNL_LIBS) \
	$(BTRFSUTIL_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS)
