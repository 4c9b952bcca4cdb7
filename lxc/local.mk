# SPDX-License-Identifier: GPL-2.0-or-later
# Containers. libct.a is what the agent may link; libctlife.a calls liblxc and is the worker's alone.

noinst_LIBRARIES += lxc/libct.a lxc/libctlife.a
lxc_libct_a_SOURCES = \
	lxc/ctconf.c lxc/ctconf.h \
	lxc/ctexit.c lxc/ctexit.h \
	lxc/ctgroup.c lxc/ctgroup.h \
	lxc/cthold.c lxc/cthold.h \
	lxc/ctlimits.c lxc/ctlimits.h \
	lxc/ctmeter.c lxc/ctmeter.h \
	lxc/ctmonitor.c lxc/ctmonitor.h \
	lxc/ctprobe.c lxc/ctprobe.h \
	lxc/ctproc.c lxc/ctproc.h \
	lxc/ctspec.c lxc/ctspec.h \
	lxc/ctsignal.c lxc/ctsignal.h \
	lxc/cttree.c lxc/cttree.h
lxc_libct_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)

# hoody-groups: takes a container's cgroup v1 directories away from it, before its init runs.
pkglibexec_PROGRAMS += lxc/hoody-groups
lxc_hoody_groups_SOURCES = lxc/groups_main.c
lxc_hoody_groups_LDADD = lxc/libct.a proto/libproto.a

lxc_libctlife_a_SOURCES = lxc/ctlife.c lxc/ctlife.h lxc/ctattach.c lxc/ctattach.h lxc/ctenter.c lxc/ctenter.h \
	lxc/ctfilter.c lxc/ctfilter.h lxc/ctpty.c lxc/ctpty.h lxc/ctuserns.c lxc/ctuserns.h
lxc_libctlife_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(LXC_CFLAGS)
